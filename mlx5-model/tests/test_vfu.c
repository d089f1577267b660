// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The messages that QEMU sends, and invalid ones. */
#include "unit.h"

#include "fabric/fabric.h"
#include "stand.h"
#include "vfio/pci.h"
#include "vfio/vfu.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	struct fabric fabric;
	struct dev dev;
	struct vfu vfu;
	uint8_t payload[VFU_MESSAGE_MAX];
	uint8_t reply[VFU_MESSAGE_MAX];
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	model_init(&f.dev, &f.fabric, &(struct dev_options){ 0 });
	vfu_init(&f.vfu, &f.dev, -1);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vfu_destroy(&f->vfu);
	model_destroy(&f->dev);
	return 0;
}

static void put(struct fixture *f, size_t offset, uint64_t value, size_t size)
{
	memcpy(f->payload + offset, &value, size);
}

static uint64_t get(const struct fixture *f, size_t offset, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, f->reply + VFU_HEADER + offset, size);
	return value;
}

/* Returns the errno of the reply, -1 for no reply */
static int message(struct fixture *f, uint16_t command, size_t length, int fd, uint32_t flags)
{
	struct vfu_message m = {
		.id = 77, .command = command, .flags = flags, .payload = f->payload,
		.length = length, .fds = { fd }, .fd_count = fd >= 0,
	};
	size_t size = vfu_handle(&f->vfu, &m, f->reply);
	uint32_t word;

	memset(f->payload, 0, 64);
	if (!size)
		return -1;
	memcpy(&word, f->reply, 4);
	assert_int_equal(word, 77 | command << 16);
	memcpy(&word, f->reply + 4, 4);
	assert_int_equal(word, size);
	memcpy(&word, f->reply + 8, 4);
	assert_int_equal(word & 0xf, 1);
	memcpy(&word, f->reply + 12, 4);
	return word;
}

static void test_start(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(message(f, 1, 40, -1, 0), 0);
	put(f, 0, 1, 2);
	assert_int_equal(message(f, 1, 40, -1, 0), ENOTSUP);
	assert_int_equal(message(f, 4, 16, -1, 0), 0);
	assert_int_equal(get(f, 8, 4), 9);
	put(f, 8, PCI_BAR_DEVICE, 4);
	assert_int_equal(message(f, 5, 32, -1, 0), 0);
	assert_int_equal(get(f, 16, 8), PCI_BAR_DEVICE_SIZE);
	put(f, 8, 9, 4);
	assert_int_equal(message(f, 5, 32, -1, 0), EINVAL);
	put(f, 8, 2, 4);
	assert_int_equal(message(f, 7, 16, -1, 0), 0);
	assert_int_equal(get(f, 12, 4), DEV_VECTORS);
	assert_int_equal(message(f, 99, 16, -1, 0), ENOSYS);
	assert_int_equal(message(f, 5, 11, -1, 0), EINVAL);
}

static void test_regions(void **state)
{
	struct fixture *f = *state;
	char name[9] = "";

	put(f, 8, 7, 4);
	put(f, 12, 256, 4);
	assert_int_equal(message(f, 9, 16, -1, 0), 0);
	assert_int_equal(get(f, 16, 4), 0x101e15b3);
	/* registers are big-endian; interface revision 5 */
	put(f, 0, 4, 8);
	put(f, 12, 4, 4);
	assert_int_equal(message(f, 9, 16, -1, 0), 0);
	assert_int_equal(get(f, 17, 1), 5);
	/* the first counter's name */
	put(f, 8, PCI_BAR_STATS, 4);
	put(f, 12, 8, 4);
	assert_int_equal(message(f, 9, 16, -1, 0), 0);
	memcpy(name, f->reply + VFU_HEADER + 16, 8);
	assert_string_equal(name, "commands");
	/* after the end, too much, more than the message has */
	put(f, 0, PCI_BAR_DEVICE_SIZE - 4, 8);
	put(f, 12, 8, 4);
	assert_int_equal(message(f, 9, 16, -1, 0), EINVAL);
	put(f, 0, UINT64_MAX, 8);
	put(f, 12, 8, 4);
	assert_int_equal(message(f, 10, 24, -1, 0), EINVAL);
	put(f, 12, VFU_TRANSFER_MAX + 1, 4);
	assert_int_equal(message(f, 9, 16, -1, 0), EINVAL);
	put(f, 12, 8, 4);
	assert_int_equal(message(f, 10, 20, -1, 0), EINVAL);
	/* a posted write */
	put(f, 12, 4, 4);
	assert_int_equal(message(f, 10, 20, -1, 0x10), -1);
}

static void test_memory(void **state)
{
	struct fixture *f = *state;
	int fd = memfd_create("test", MFD_CLOEXEC);
	uint8_t byte;

	assert_int_equal(ftruncate(fd, 65536), 0);
	put(f, 4, 3, 4);
	put(f, 16, 0x100000, 8);
	put(f, 24, 65536, 8);
	assert_int_equal(message(f, 2, 32, fd, 0), 0);
	assert_true(guest_read(&f->dev.guest, 0x10ffff, &byte, 1));
	/* the handler owns the descriptor now */
	assert_int_equal(close(fd), -1);
	put(f, 16, 0x200000, 8);
	put(f, 24, 4096, 8);
	assert_int_equal(message(f, 2, 32, -1, 0), 0);
	assert_false(guest_read(&f->dev.guest, 0x200000, &byte, 1));
	put(f, 8, 0x100000, 8);
	put(f, 16, 4096, 8);
	assert_int_equal(message(f, 3, 24, -1, 0), EINVAL);
	put(f, 8, 0x100000, 8);
	put(f, 16, 65536, 8);
	assert_int_equal(message(f, 3, 24, -1, 0), 0);
	assert_false(guest_read(&f->dev.guest, 0x100000, &byte, 1));
	assert_int_equal(f->dev.guest.count, 1);
	/* all that is left, by the flag */
	put(f, 4, 2, 4);
	put(f, 16, 4096, 8);
	assert_int_equal(message(f, 3, 24, -1, 0), EINVAL);
	put(f, 4, 2, 4);
	assert_int_equal(message(f, 3, 24, -1, 0), 0);
	assert_int_equal(f->dev.guest.count, 0);
}

static void test_interrupts(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC), kept = dup(fd);
	uint64_t count;

	put(f, 4, 0x24, 4);
	put(f, 8, 2, 4);
	put(f, 12, 3, 4);
	put(f, 16, 1, 4);
	assert_int_equal(message(f, 8, 20, fd, 0), 0);
	f->dev.interrupt(f->dev.interrupt_context, 3);
	assert_int_equal(read(kept, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	put(f, 4, 0x24, 4);
	put(f, 8, 2, 4);
	put(f, 12, 8, 4);
	put(f, 16, UINT32_MAX, 4);
	assert_int_equal(message(f, 8, 20, -1, 0), EINVAL);
	/* all off */
	put(f, 4, 0x21, 4);
	put(f, 8, 2, 4);
	assert_int_equal(message(f, 8, 20, -1, 0), 0);
	f->dev.interrupt(f->dev.interrupt_context, 3);
	close(kept);
}

#define WRITE_LENGTH (VFU_HEADER + 16 + 4)

/* A posted write to a register, as bytes on the socket */
static void put_write(uint8_t *bytes, uint32_t value)
{
	const uint32_t header[] = { 10 << 16, WRITE_LENGTH, 0x10, 0 };
	const uint32_t where[] = { 0x10, 0, PCI_BAR_DEVICE, 4 };

	memcpy(bytes, header, sizeof(header));
	memcpy(bytes + VFU_HEADER, where, sizeof(where));
	put_be32(bytes + VFU_HEADER + 16, value);
}

/* A map message and its descriptor */
static void send_map(int peer, uint64_t address, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	uint8_t bytes[VFU_HEADER + 32] = { 1, 0, 2, 0, VFU_HEADER + 32 };
	const uint32_t flags = 3;
	const uint64_t size = 4096;
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);

	memcpy(bytes + VFU_HEADER + 4, &flags, sizeof(flags));
	memcpy(bytes + VFU_HEADER + 16, &address, sizeof(address));
	memcpy(bytes + VFU_HEADER + 24, &size, sizeof(size));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	assert_int_equal(sendmsg(peer, &header, 0), sizeof(bytes));
}

/* Messages sent together are read together, and each gets its descriptors */
static void test_burst(void **state)
{
	struct fixture *f = *state;
	int fd = memfd_create("test", MFD_CLOEXEC), ends[2];
	uint8_t bytes[WRITE_LENGTH], byte;
	uint32_t i;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(ftruncate(fd, 8192), 0);
	f->vfu.socket = ends[0];
	for (i = 0; i < 100; i++) {
		put_write(bytes, i);
		assert_int_equal(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
	}
	send_map(ends[1], 0x100000, fd);
	put_write(bytes, 100);
	assert_int_equal(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
	send_map(ends[1], 0x200000, fd);
	for (i = 0; i < 100; i++) {
		assert_true(vfu_serve(&f->vfu));
		assert_int_equal(f->dev.command_queue_high, i);
		assert_false(guest_read(&f->dev.guest, 0x100000, &byte, 1));
	}
	assert_int_equal(f->vfu.reads, 1);
	assert_true(vfu_has_message(&f->vfu));
	assert_true(vfu_serve(&f->vfu));
	assert_true(guest_read(&f->dev.guest, 0x100000, &byte, 1));
	assert_true(vfu_serve(&f->vfu));
	assert_int_equal(f->dev.command_queue_high, 100);
	assert_false(guest_read(&f->dev.guest, 0x200000, &byte, 1));
	assert_true(vfu_serve(&f->vfu));
	assert_true(guest_read(&f->dev.guest, 0x200000, &byte, 1));
	assert_int_equal(f->vfu.reads, 2);
	assert_false(vfu_has_message(&f->vfu));
	/* the peer goes away in the middle of a message */
	assert_int_equal(write(ends[1], bytes, VFU_HEADER + 3), VFU_HEADER + 3);
	close(ends[1]);
	assert_false(vfu_serve(&f->vfu));
	close(ends[0]);
	close(fd);
}

/* A message in several pieces; a length in the header that is too small or too large */
static void test_pieces(void **state)
{
	static const uint32_t wrong[] = { 0, VFU_HEADER - 1, VFU_HEADER + VFU_MESSAGE_MAX + 1,
					  UINT32_MAX };
	struct fixture *f = *state;
	uint8_t bytes[2 * WRITE_LENGTH];
	unsigned int i;
	int ends[2];
	pid_t pid;

	put_write(bytes, 7);
	put_write(bytes + WRITE_LENGTH, 8);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	f->vfu.socket = ends[0];
	pid = fork();
	if (!pid) {
		for (i = 0; i < sizeof(bytes); i++) {
			if (write(ends[1], bytes + i, 1) != 1)
				_exit(1);
			usleep(100);
		}
		_exit(0);
	}
	assert_true(vfu_serve(&f->vfu));
	assert_int_equal(f->dev.command_queue_high, 7);
	assert_true(vfu_serve(&f->vfu));
	assert_int_equal(f->dev.command_queue_high, 8);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		vfu_destroy(&f->vfu);
		vfu_init(&f->vfu, &f->dev, ends[0]);
		memcpy(bytes + 4, &wrong[i], sizeof(wrong[i]));
		assert_int_equal(write(ends[1], bytes, VFU_HEADER), VFU_HEADER);
		assert_false(vfu_serve(&f->vfu));
	}
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_start),
		TEST(test_regions),
		TEST(test_memory),
		TEST(test_interrupts),
		TEST(test_burst),
		TEST(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
