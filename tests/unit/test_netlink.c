// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* RDMA netlink: the two requests, and answers of every kind. */
#include "fake.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>

#include "../../libibverbs/uverbs/rdma_netlink.h"

static int ask(uint32_t *id)
{
	int err;

	fake.next_datagram = 0;
	fake.nsent = 0;
	fake.socket_options = 0;
	*id = 0xdead;
	err = rdma_netlink_driver_id("fake0", fake.rdev, id);
	assert_int_equal(fake.open_sockets, 0);
	if (err)
		assert_int_equal(*id, 0xdead);
	return err;
}

static void requests(void **state)
{
	/* nlmsghdr: length, type, flags, sequence, port */
	const struct {
		uint32_t len;
		uint16_t type, flags;
		uint32_t seq, pid;
	} dump = { 16, 5 << 10 | 1, 0x301, 1, 0 };
	const struct {
		uint32_t len;
		uint16_t type, flags;
		uint32_t seq, pid;
		uint16_t index_len, index_type;
		uint32_t index;
		uint16_t type_len, type_type;
		char name[8];
	} chardev = { 36,
		      5 << 10 | 15,
		      1,
		      2,
		      0,
		      8,
		      RDMA_NLDEV_ATTR_DEV_INDEX,
		      77,
		      11,
		      RDMA_NLDEV_ATTR_CHARDEV_TYPE,
		      "uverbs" };
	struct fake_answer answer;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	assert_int_equal(ask(&id), 0);
	assert_int_equal(id, FAKE_DRIVER_ID);
	assert_int_equal(fake.nsent, 2);
	assert_int_equal(fake.sent_len[0], sizeof(dump));
	assert_memory_equal(fake.sent[0], &dump, sizeof(dump));
	assert_int_equal(fake.sent_len[1], sizeof(chardev));
	assert_memory_equal(fake.sent[1], &chardev, sizeof(chardev));
}

/* Device numbers as the kernel packs them: 20 bits of minor around the major. */
static void device_numbers(void **state)
{
	(void)state;
	assert_int_equal(rdma_netlink_dev(makedev(231, 192)), 231 << 8 | 192);
	assert_int_equal(rdma_netlink_dev(makedev(0xfff, 0xfffff)), 0xffffffff);
	assert_int_equal(rdma_netlink_dev(makedev(1, 0x100)), 1 << 8 | 1 << 20);
}

static void many_devices(void **state)
{
	struct fake_msg first, second, third;
	unsigned char both[2 * sizeof(first.data)];
	struct fake_answer answer;
	uint32_t index = 3;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	/* two in one datagram; names of which the wanted one is the beginning or the end */
	fake_msg_start(&first, 5 << 10 | 1, 1);
	fake_msg_attr(&first, RDMA_NLDEV_ATTR_DEV_INDEX, &index, sizeof(index));
	fake_msg_attr(&first, RDMA_NLDEV_ATTR_DEV_NAME, "fake01", 7);
	fake_msg_end(&first);
	fake_msg_start(&second, 5 << 10 | 1, 1);
	fake_msg_attr(&second, RDMA_NLDEV_ATTR_DEV_NAME, "xfake0", 7);
	fake_msg_attr(&second, RDMA_NLDEV_ATTR_DEV_INDEX, &index, sizeof(index));
	fake_msg_end(&second);
	/* a leftover of another request */
	fake_msg_start(&third, 5 << 10 | 1, 99);
	fake_msg_end(&third);
	memcpy(both, first.data, first.len);
	memcpy(both + first.len, second.data, second.len);
	fake.ndatagrams = 0;
	fake_queue(both, first.len + second.len);
	fake_queue(third.data, third.len);
	fake_queue(answer.devices.data, answer.devices.len);
	fake_queue(answer.done.data, answer.done.len);
	fake_queue(answer.chardev.data, answer.chardev.len);
	assert_int_equal(ask(&id), 0);
	assert_int_equal(id, FAKE_DRIVER_ID);
}

static void no_such_device(void **state)
{
	struct fake_answer answer;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake1", FAKE_DRIVER_ID);
	assert_int_equal(ask(&id), ENODEV);
	assert_int_equal(fake.nsent, 1);
}

/* The name belongs to another device by now, as its character device shows. */
static void other_device_number(void **state)
{
	struct fake_answer answer;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	fake.rdev++;
	assert_int_equal(ask(&id), ENODEV);
}

static void unpublished(void **state)
{
	const uint32_t chardev = rdma_netlink_dev(fake.rdev);
	struct fake_answer answer;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	fake_msg_start(&answer.chardev, 5 << 10 | 15, 2);
	fake_msg_attr(&answer.chardev, RDMA_NLDEV_ATTR_CHARDEV, &chardev, sizeof(chardev));
	fake_msg_end(&answer.chardev);
	fake.datagrams[2].len = answer.chardev.len;
	assert_int_equal(ask(&id), ENODATA);
}

/* The header says u64, the kernel sends u32: either, but no other width. */
static void widths(void **state)
{
	const uint64_t chardev = rdma_netlink_dev(fake.rdev);
	const uint32_t value32 = 7;
	struct fake_answer answer;
	uint64_t value = 7;
	uint16_t len;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake0", 0);
	for (len = 0; len <= 8; len++) {
		fake_msg_start(&answer.chardev, 5 << 10 | 15, 2);
		fake_msg_attr(&answer.chardev, RDMA_NLDEV_ATTR_CHARDEV, &chardev, sizeof(chardev));
		fake_msg_attr(&answer.chardev, RDMA_NLDEV_ATTR_UVERBS_DRIVER_ID,
			      len == 4 ? (const void *)&value32 : &value, len);
		fake_msg_end(&answer.chardev);
		fake.datagrams[2].len = answer.chardev.len;
		assert_int_equal(ask(&id), len == 4 || len == 8 ? 0 : ENODATA);
		if (len == 4 || len == 8)
			assert_int_equal(id, 7);
	}
	value = 1ULL << 32;
	fake_msg_start(&answer.chardev, 5 << 10 | 15, 2);
	fake_msg_attr(&answer.chardev, RDMA_NLDEV_ATTR_CHARDEV, &chardev, sizeof(chardev));
	fake_msg_attr(&answer.chardev, RDMA_NLDEV_ATTR_UVERBS_DRIVER_ID, &value, sizeof(value));
	fake_msg_end(&answer.chardev);
	assert_int_equal(ask(&id), EBADMSG);
}

static void socket_errors(void **state)
{
	struct fake_answer answer;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	fake.socket_err = EPERM;
	assert_int_equal(ask(&id), EPERM);
	fake.socket_err = 0;
	fake.send_err = ECONNREFUSED;
	assert_int_equal(ask(&id), ECONNREFUSED);
	fake.send_err = 0;
	fake.interrupt_recv = 2;
	assert_int_equal(ask(&id), 0);
	fake.datagrams[0].msg_flags = MSG_TRUNC;
	assert_int_equal(ask(&id), EBADMSG);
	fake.datagrams[0].msg_flags = 0;
	/* another process must not be able to answer */
	fake.datagrams[0].sender = 1234;
	assert_int_equal(ask(&id), EBADMSG);
	fake.datagrams[0].sender = 0;
	/* the answer ends early */
	fake.ndatagrams = 2;
	assert_int_equal(ask(&id), EAGAIN);
	fake.ndatagrams = 0;
	assert_int_equal(ask(&id), EAGAIN);
	fake_queue(answer.devices.data, 0);
	assert_int_equal(ask(&id), EBADMSG);
}

static void kernel_errors(void **state)
{
	struct fake_answer answer;
	struct fake_msg error;
	int32_t value = -EPERM;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	fake_msg_start(&error, NLMSG_ERROR, 2);
	fake_msg_end(&error);
	fake.datagrams[2].data = error.data;
	fake.datagrams[2].len = error.len;
	assert_int_equal(ask(&id), EBADMSG);

	memcpy(error.data + error.len, &value, sizeof(value));
	error.len += sizeof(value);
	fake_msg_end(&error);
	fake.datagrams[2].len = error.len;
	assert_int_equal(ask(&id), EPERM);

	/* an acknowledgement that was not requested, instead of the answer */
	value = 0;
	memcpy(error.data + error.len - sizeof(value), &value, sizeof(value));
	assert_int_equal(ask(&id), EBADMSG);

	/* a correct answer, but of the wrong type */
	answer.chardev.data[4] ^= 1;
	fake.datagrams[2].data = answer.chardev.data;
	fake.datagrams[2].len = answer.chardev.len;
	assert_int_equal(ask(&id), EBADMSG);
}

/* A dump that fails, at once or later, reports the error in its final message. */
static void dump_errors(void **state)
{
	struct fake_answer answer;
	int32_t value = 0;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	memcpy(answer.done.data + answer.done.len, &value, sizeof(value));
	answer.done.len += sizeof(value);
	fake_msg_end(&answer.done);
	fake.datagrams[1].len = answer.done.len;
	assert_int_equal(ask(&id), 0);
	value = -EINVAL;
	memcpy(answer.done.data + answer.done.len - sizeof(value), &value, sizeof(value));
	assert_int_equal(ask(&id), EINVAL);
	assert_int_equal(fake.nsent, 1);
}

/* One datagram: the device "fake0" with this number, and the end of the dump. */
static void dump_with(struct fake_msg *dump, uint32_t index, uint16_t flags, uint16_t done_flags)
{
	struct nlmsghdr done = {
		.nlmsg_len = sizeof(done),
		.nlmsg_type = NLMSG_DONE,
		.nlmsg_flags = done_flags,
		.nlmsg_seq = 1,
	};

	fake_msg_start(dump, 5 << 10 | 1, 1);
	fake_msg_attr(dump, RDMA_NLDEV_ATTR_DEV_INDEX, &index, sizeof(index));
	fake_msg_attr(dump, RDMA_NLDEV_ATTR_DEV_NAME, "fake0", 6);
	fake_msg_end(dump);
	memcpy(dump->data + offsetof(struct nlmsghdr, nlmsg_flags), &flags, sizeof(flags));
	memcpy(dump->data + dump->len, &done, sizeof(done));
	dump->len += sizeof(done);
	fake_queue(dump->data, dump->len);
}

/* A dump that the kernel marks as inconsistent, at its start or at its end, is made again. */
static void interrupted_dump(void **state)
{
	struct fake_msg first, second, gone;
	struct fake_answer answer;
	uint32_t index;
	uint32_t id;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
		fake.ndatagrams = 0;
		dump_with(&first, 5, i ? 0 : NLM_F_DUMP_INTR, i ? NLM_F_DUMP_INTR : 0);
		dump_with(&second, 6, 0, 0);
		fake_queue(answer.chardev.data, answer.chardev.len);
		assert_int_equal(ask(&id), 0);
		assert_int_equal(id, FAKE_DRIVER_ID);
		assert_int_equal(fake.nsent, 3);
		assert_int_equal(fake.sent_len[1], fake.sent_len[0]);
		assert_memory_equal(fake.sent[1], fake.sent[0], fake.sent_len[0]);
		/* the number that the second dump has */
		memcpy(&index, fake.sent[2] + NLMSG_HDRLEN + NLA_HDRLEN, sizeof(index));
		assert_int_equal(index, 6);
	}

	/* a device that only the first dump has */
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	fake.ndatagrams = 0;
	dump_with(&first, 5, 0, NLM_F_DUMP_INTR);
	fake_msg_start(&gone, NLMSG_DONE, 1);
	fake_msg_end(&gone);
	fake_queue(gone.data, gone.len);
	assert_int_equal(ask(&id), ENODEV);

	/* and no end of it */
	fake.ndatagrams = 0;
	for (i = 0; i < 8; i++)
		dump_with(&first, 5, NLM_F_DUMP_INTR, NLM_F_DUMP_INTR);
	assert_int_equal(ask(&id), EBUSY);
	assert_int_equal(fake.nsent, 8);
}

static char logged[256];

static void keep(void *arg, const char *line)
{
	(void)arg;
	snprintf(logged, sizeof(logged), "%s", line);
}

/* With @error as the answer to the second request, or as the end of the dump. */
static int ask_logged(const struct fake_msg *error, bool dump)
{
	uint32_t id;
	int err;

	fake.datagrams[dump ? 1 : 2].data = error->data;
	fake.datagrams[dump ? 1 : 2].len = error->len;
	logged[0] = '\0';
	err = ask(&id);
	assert_int_equal(fake.socket_options, 1u << NETLINK_EXT_ACK | 1u << NETLINK_CAP_ACK);
	return err;
}

/*
 * An error with the kernel's text.
 * @copied: bytes of the request's copy in it; those of its header if it is capped
 */
static void error_with_text(struct fake_msg *error, uint16_t type, uint32_t seq, uint16_t flags,
			    uint32_t copied)
{
	const uint32_t offset = 4;
	const int32_t value = -EPERM;

	fake_msg_start(error, type, seq);
	flags |= NLM_F_ACK_TLVS;
	memcpy(error->data + offsetof(struct nlmsghdr, nlmsg_flags), &flags, sizeof(flags));
	memcpy(error->data + error->len, &value, sizeof(value));
	error->len += sizeof(value);
	if (type == NLMSG_ERROR) {
		/* the length of the request, also where its copy ends with the header */
		const uint32_t whole = flags & NLM_F_CAPPED ? 36 : copied;

		memcpy(error->data + error->len, &whole, sizeof(whole));
		error->len += NLMSG_ALIGN(copied);
	}
	fake_msg_attr(error, NLMSGERR_ATTR_OFFS, &offset, sizeof(offset));
	fake_msg_attr(error, NLMSGERR_ATTR_MSG, "not today", 10);
	fake_msg_end(error);
}

/* The kernel's own text about an error goes to the log, if there is one. */
static void error_text(void **state)
{
	static const char want[] = "RDMA netlink: not today";
	struct fake_answer answer;
	struct fake_msg error;
	uint32_t id;
	size_t full;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	assert_int_equal(ask(&id), 0);
	assert_int_equal(fake.socket_options, 0);

	hugeodp_set_log(keep, NULL);
	error_with_text(&error, NLMSG_ERROR, 2, NLM_F_CAPPED, sizeof(struct nlmsghdr));
	assert_int_equal(ask_logged(&error, false), EPERM);
	assert_string_equal(logged, want);
	error_with_text(&error, NLMSG_ERROR, 2, 0, 35);
	assert_int_equal(ask_logged(&error, false), EPERM);
	assert_string_equal(logged, want);
	/* a copy that is longer than the message */
	error_with_text(&error, NLMSG_ERROR, 2, 0, 35);
	memset(error.data + NLMSG_HDRLEN + sizeof(int32_t), 0xff, sizeof(uint32_t));
	assert_int_equal(ask_logged(&error, false), EPERM);
	assert_string_equal(logged, "");
	error_with_text(&error, NLMSG_DONE, 1, 0, 0);
	assert_int_equal(ask_logged(&error, true), EPERM);
	assert_string_equal(logged, want);

	/* cut off anywhere, in memory of that size */
	error_with_text(&error, NLMSG_ERROR, 2, NLM_F_CAPPED, sizeof(struct nlmsghdr));
	fake.datagrams[1].data = answer.done.data;
	fake.datagrams[1].len = answer.done.len;
	full = error.len;
	for (error.len = NLMSG_HDRLEN + sizeof(int32_t); error.len < full; error.len++) {
		unsigned char *cut = test_malloc(error.len);

		fake_msg_end(&error);
		memcpy(cut, error.data, error.len);
		fake.datagrams[2].data = cut;
		fake.datagrams[2].len = error.len;
		assert_int_equal(ask(&id), EPERM);
		test_free(cut);
	}
	hugeodp_set_log(NULL, NULL);
}

static void message_seq(struct fake_msg *message, uint32_t seq)
{
	memcpy(message->data + offsetof(struct nlmsghdr, nlmsg_seq), &seq, sizeof(seq));
}

/*
 * Bytes after the end of a message must not be read, even if they look valid: here
 * they are the rest of a longer message that was received before.
 */
static void leftovers(void **state)
{
	const uint32_t chardev = rdma_netlink_dev(fake.rdev);
	struct fake_msg before, message;
	struct fake_answer answer;
	const uint32_t driver_id = 7;
	const int32_t error = -EPERM;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	fake.ndatagrams = 2;
	fake_queue(before.data, 0);
	fake_queue(message.data, 0);

	/* an attribute that continues after the end */
	fake_msg_start(&before, 5 << 10 | 15, 99);
	fake_msg_attr(&before, RDMA_NLDEV_ATTR_CHARDEV, &chardev, sizeof(chardev));
	fake_msg_attr(&before, RDMA_NLDEV_ATTR_UVERBS_DRIVER_ID, &driver_id, sizeof(driver_id));
	fake_msg_end(&before);
	memcpy(&message, &before, sizeof(message));
	message_seq(&message, 2);
	message.len -= sizeof(driver_id);
	fake_msg_end(&message);
	fake.datagrams[2].len = before.len;
	fake.datagrams[3].len = message.len;
	assert_int_equal(ask(&id), ENODATA);

	/* the last attribute ends within its padding */
	fake_msg_start(&before, 5 << 10 | 15, 99);
	fake_msg_attr(&before, RDMA_NLDEV_ATTR_CHARDEV, &chardev, sizeof(chardev));
	fake_msg_attr(&before, RDMA_NLDEV_ATTR_CHARDEV_NAME, "", 1);
	fake_msg_attr(&before, RDMA_NLDEV_ATTR_UVERBS_DRIVER_ID, &driver_id, sizeof(driver_id));
	fake_msg_end(&before);
	memcpy(&message, &before, sizeof(message));
	message_seq(&message, 2);
	message.len = 16 + 8 + 5;
	fake_msg_end(&message);
	fake.datagrams[2].len = before.len;
	fake.datagrams[3].len = message.len;
	assert_int_equal(ask(&id), ENODATA);

	/* an error without its number */
	fake_msg_start(&before, NLMSG_ERROR, 99);
	memcpy(before.data + before.len, &error, sizeof(error));
	before.len += sizeof(error);
	fake_msg_end(&before);
	fake_msg_start(&message, NLMSG_ERROR, 2);
	fake_msg_end(&message);
	fake.datagrams[2].len = before.len;
	fake.datagrams[3].len = message.len;
	assert_int_equal(ask(&id), EBADMSG);

	/* a message without padding at the end of a datagram is valid */
	fake_msg_start(&before, NLMSG_NOOP, 99);
	before.len++;
	fake_msg_end(&before);
	fake.datagrams[2].len = before.len;
	fake.datagrams[3].data = answer.chardev.data;
	fake.datagrams[3].len = answer.chardev.len;
	assert_int_equal(ask(&id), 0);
}

/*
 * Truncate each datagram at each length, in memory of exactly that size, so that
 * the address sanitizer detects reads past the end. The result must be an error,
 * or the right number if only trailing padding or unused attributes are missing.
 */
static void truncated(void **state)
{
	struct fake_answer answer;
	unsigned int which;
	unsigned char *cut;
	size_t full;
	size_t len;
	uint32_t id;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	for (which = 0; which < 3; which++) {
		const void *whole = fake.datagrams[which].data;

		full = fake.datagrams[which].len;
		for (len = 0; len < full; len++) {
			cut = test_malloc(len + 1);
			memcpy(cut, whole, len);
			fake.datagrams[which].data = cut;
			fake.datagrams[which].len = len;
			assert_int_equal(ask(&id), EBADMSG);
			/* the same with a header that matches the length */
			if (len >= sizeof(struct nlmsghdr)) {
				uint32_t len32 = (uint32_t)len;

				memcpy(cut, &len32, sizeof(len32));
				if (!ask(&id))
					assert_int_equal(id, FAKE_DRIVER_ID);
			}
			test_free(cut);
		}
		fake.datagrams[which].data = whole;
		fake.datagrams[which].len = full;
	}
}

/* Each byte of each datagram replaced by each value: no crash, no hang. */
static void damaged(void **state)
{
	struct fake_answer answer;
	unsigned int which;
	unsigned int value;
	unsigned char old;
	uint32_t id;
	size_t i;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	for (which = 0; which < 3; which++) {
		unsigned char *bytes = which == 0   ? answer.devices.data
				       : which == 1 ? answer.done.data
						    : answer.chardev.data;

		for (i = 0; i < fake.datagrams[which].len; i++) {
			old = bytes[i];
			for (value = 0; value < 256; value++) {
				bytes[i] = (unsigned char)value;
				ask(&id);
			}
			bytes[i] = old;
		}
	}
	assert_int_equal(ask(&id), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(requests, fake_setup),
		cmocka_unit_test_setup(device_numbers, fake_setup),
		cmocka_unit_test_setup(many_devices, fake_setup),
		cmocka_unit_test_setup(no_such_device, fake_setup),
		cmocka_unit_test_setup(other_device_number, fake_setup),
		cmocka_unit_test_setup(unpublished, fake_setup),
		cmocka_unit_test_setup(widths, fake_setup),
		cmocka_unit_test_setup(socket_errors, fake_setup),
		cmocka_unit_test_setup(kernel_errors, fake_setup),
		cmocka_unit_test_setup(dump_errors, fake_setup),
		cmocka_unit_test_setup(interrupted_dump, fake_setup),
		cmocka_unit_test_setup(error_text, fake_setup),
		cmocka_unit_test_setup(leftovers, fake_setup),
		cmocka_unit_test_setup(truncated, fake_setup),
		cmocka_unit_test_setup(damaged, fake_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
