// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "vfio/vfu.h"

#include "model.h"
#include "vfio/pci.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_GET_INFO = 4,
	VFU_GET_REGION_INFO = 5,
	VFU_GET_IRQ_INFO = 7,
	VFU_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_RESET = 13,
};

#define VFU_FLAG_REPLY 0x1
#define VFU_FLAG_NO_REPLY 0x10
#define VFU_FLAG_ERROR 0x20

#define VFU_REGIONS 9
#define VFU_REGION_CONFIG 7
#define VFU_IRQS 5
#define VFU_IRQ_MSIX 2
#define VFU_DEVICE_FLAGS 3 /* can be reset, is a PCI device */
#define VFU_REGION_READ_WRITE 3
#define VFU_IRQ_EVENTFD 1
#define VFU_IRQ_NORESIZE 8
#define VFU_IRQ_SET_NONE 1
#define VFU_IRQ_SET_EVENTFD 4
#define VFU_IRQ_SET_TRIGGER 0x20
#define VFU_DMA_WRITABLE 2
#define VFU_DMA_UNMAP_ALL 2

/* QEMU takes no larger limit of maps, and maps more if the guest does */
static const char vfu_capabilities[] =
	"{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":65536,\"pgsizes\":4096,"
	"\"max_dma_maps\":65535,\"write_multiple\":false}}";

/* The protocol is in host byte order */
static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* Handlers return the length of the reply's payload, or a negative errno value */
typedef int (*vfu_handler)(struct vfu *vfu, struct vfu_message *m, uint8_t *reply);

static int vfu_version(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	(void)vfu;
	if (get16(m->payload) != 0)
		return -ENOTSUP;
	put16(reply, 0);
	/* nothing here needs a minor version */
	put16(reply + 2, 0);
	memcpy(reply + 4, vfu_capabilities, sizeof(vfu_capabilities));
	return 4 + sizeof(vfu_capabilities);
}

static int vfu_dma_map(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	uint32_t flags = get32(m->payload + 4);
	int ret = guest_map(&vfu->dev->guest, get64(m->payload + 16), get64(m->payload + 24),
			    m->fd_count ? m->fds[0] : -1, get64(m->payload + 8),
			    flags & VFU_DMA_WRITABLE);

	(void)reply;
	vfu->dev->stats.dma_maps += !ret;
	return ret;
}

static int vfu_dma_unmap(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	struct guest *guest = &vfu->dev->guest;
	uint64_t address = get64(m->payload + 8), size = get64(m->payload + 16);
	bool all = get32(m->payload + 4) & VFU_DMA_UNMAP_ALL;
	unsigned int before = guest->count;
	int ret;

	if (all && (address || size))
		return -EINVAL;
	if (all) {
		size = guest_unmap_all(guest);
	} else {
		ret = guest_unmap(guest, address, size, &size);
		if (ret)
			return ret;
	}
	vfu->dev->stats.dma_unmaps += before - guest->count;
	memcpy(reply, m->payload, 16);
	put64(reply + 16, size);
	return 24;
}

static int vfu_get_info(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	(void)vfu;
	(void)m;
	put32(reply, 16);
	put32(reply + 4, VFU_DEVICE_FLAGS);
	put32(reply + 8, VFU_REGIONS);
	put32(reply + 12, VFU_IRQS);
	return 16;
}

static uint64_t vfu_region_size(const struct vfu *vfu, uint32_t region)
{
	return region == VFU_REGION_CONFIG ? sizeof(vfu->dev->config) : pci_bar_size(region);
}

static int vfu_get_region_info(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	uint32_t region = get32(m->payload + 8);
	uint64_t size = vfu_region_size(vfu, region);

	if (region >= VFU_REGIONS)
		return -EINVAL;
	memset(reply, 0, 32);
	put32(reply, 32);
	put32(reply + 4, size ? VFU_REGION_READ_WRITE : 0);
	put32(reply + 8, region);
	put64(reply + 16, size);
	return 32;
}

static int vfu_get_irq_info(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	uint32_t index = get32(m->payload + 8);

	(void)vfu;
	if (index >= VFU_IRQS)
		return -EINVAL;
	put32(reply, 16);
	put32(reply + 4, VFU_IRQ_EVENTFD | VFU_IRQ_NORESIZE);
	put32(reply + 8, index);
	put32(reply + 12, index == VFU_IRQ_MSIX ? DEV_VECTORS : 0);
	return 16;
}

static void vfu_set_vector(struct vfu *vfu, unsigned int vector, int fd)
{
	if (vfu->vectors[vector] >= 0)
		close(vfu->vectors[vector]);
	vfu->vectors[vector] = fd;
}

static int vfu_set_irqs(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	uint32_t flags = get32(m->payload + 4), start = get32(m->payload + 12);
	uint32_t count = get32(m->payload + 16), i;

	(void)reply;
	if (get32(m->payload + 8) != VFU_IRQ_MSIX)
		return 0;
	if (!(flags & VFU_IRQ_SET_TRIGGER))
		return 0;
	if (flags & VFU_IRQ_SET_NONE && !count) {
		for (i = 0; i < DEV_VECTORS; i++)
			vfu_set_vector(vfu, i, -1);
		return 0;
	}
	if (start > DEV_VECTORS || count > DEV_VECTORS - start)
		return -EINVAL;
	if (!(flags & VFU_IRQ_SET_EVENTFD))
		return 0;
	/* a vector without a descriptor is disabled */
	for (i = 0; i < count; i++) {
		vfu_set_vector(vfu, start + i, i < m->fd_count ? m->fds[i] : -1);
		if (i < m->fd_count)
			m->fds[i] = -1;
	}
	return 0;
}

static int vfu_region(const struct vfu *vfu, const struct vfu_message *m, uint64_t *offset,
		      uint32_t *region, uint32_t *count)
{
	uint64_t size;

	*offset = get64(m->payload);
	*region = get32(m->payload + 8);
	*count = get32(m->payload + 12);
	size = vfu_region_size(vfu, *region);
	if (*count > VFU_TRANSFER_MAX || *offset > size || *count > size - *offset)
		return -EINVAL;
	return 0;
}

static int vfu_region_read(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	uint64_t offset;
	uint32_t region, count;

	if (vfu_region(vfu, m, &offset, &region, &count))
		return -EINVAL;
	memcpy(reply, m->payload, 16);
	if (region == VFU_REGION_CONFIG)
		pci_config_read(vfu->dev, offset, reply + 16, count);
	else
		pci_bar_read(vfu->dev, region, offset, reply + 16, count);
	return 16 + count;
}

static int vfu_region_write(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	uint64_t offset;
	uint32_t region, count;

	if (vfu_region(vfu, m, &offset, &region, &count) || m->length - 16 < count)
		return -EINVAL;
	if (region == VFU_REGION_CONFIG)
		pci_config_write(vfu->dev, offset, m->payload + 16, count);
	else
		pci_bar_write(vfu->dev, region, offset, m->payload + 16, count);
	memcpy(reply, m->payload, 16);
	return 16;
}

static int vfu_reset(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	(void)m;
	(void)reply;
	model_reset(vfu->dev);
	return 0;
}

static const struct {
	enum vfu_command command;
	size_t length; /* at least */
	vfu_handler handler;
} vfu_commands[] = {
	{ VFU_VERSION, 4, vfu_version },
	{ VFU_DMA_MAP, 32, vfu_dma_map },
	{ VFU_DMA_UNMAP, 24, vfu_dma_unmap },
	{ VFU_GET_INFO, 0, vfu_get_info },
	{ VFU_GET_REGION_INFO, 12, vfu_get_region_info },
	{ VFU_GET_IRQ_INFO, 12, vfu_get_irq_info },
	{ VFU_SET_IRQS, 20, vfu_set_irqs },
	{ VFU_REGION_READ, 16, vfu_region_read },
	{ VFU_REGION_WRITE, 16, vfu_region_write },
	{ VFU_RESET, 0, vfu_reset },
};

static int vfu_dispatch(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	size_t i;

	for (i = 0; i < sizeof(vfu_commands) / sizeof(vfu_commands[0]); i++) {
		if (vfu_commands[i].command != m->command)
			continue;
		return m->length < vfu_commands[i].length ?
			       -EINVAL :
			       vfu_commands[i].handler(vfu, m, reply);
	}
	return -ENOSYS;
}

size_t vfu_handle(struct vfu *vfu, struct vfu_message *m, uint8_t *reply)
{
	int ret = vfu_dispatch(vfu, m, reply + VFU_HEADER);
	size_t size = VFU_HEADER + (ret > 0 ? ret : 0);

	if (ret < 0)
		trace(vfu->dev, "vfio-user: message %u: %s", m->command, strerror(-ret));
	while (m->fd_count)
		if (m->fds[--m->fd_count] >= 0)
			close(m->fds[m->fd_count]);
	if (m->flags & VFU_FLAG_NO_REPLY)
		return 0;
	put16(reply, m->id);
	put16(reply + 2, m->command);
	put32(reply + 4, size);
	put32(reply + 8, VFU_FLAG_REPLY | (ret < 0 ? VFU_FLAG_ERROR : 0));
	put32(reply + 12, ret < 0 ? -ret : 0);
	return size;
}

static void vfu_interrupt(void *context, unsigned int vector)
{
	struct vfu *vfu = context;
	uint64_t one = 1;

	/* a write to an eventfd fails only if its counter would overflow */
	if (vfu->vectors[vector] >= 0 &&
	    write(vfu->vectors[vector], &one, sizeof(one)) != sizeof(one))
		trace(vfu->dev, "vector %u: %s", vector, strerror(errno));
}

void vfu_init(struct vfu *vfu, struct dev *dev, int socket)
{
	unsigned int i;

	vfu->dev = dev;
	vfu->socket = socket;
	vfu->reads = 0;
	vfu->input.start = 0;
	vfu->input.end = 0;
	vfu->input.fd_count = 0;
	vfu->input.fds_end = 0;
	for (i = 0; i < DEV_VECTORS; i++)
		vfu->vectors[i] = -1;
	dev->interrupt = vfu_interrupt;
	dev->interrupt_context = vfu;
}

void vfu_destroy(struct vfu *vfu)
{
	unsigned int i;

	for (i = 0; i < DEV_VECTORS; i++)
		vfu_set_vector(vfu, i, -1);
	while (vfu->input.fd_count)
		close(vfu->input.fds[--vfu->input.fd_count]);
	vfu->input.start = 0;
	vfu->input.end = 0;
}

static void vfu_take_fds(struct vfu_input *input, struct msghdr *header)
{
	struct cmsghdr *c;
	size_t n, i;
	int fd;

	for (c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (input->fd_count < VFU_FDS_MAX)
				input->fds[input->fd_count++] = fd;
			else
				close(fd);
		}
		/* the kernel ends a read after data that was sent with descriptors */
		input->fds_end = input->end;
	}
}

/* Reads as many bytes as are available, at least one and at most room */
static bool vfu_read(struct vfu *vfu, size_t room)
{
	struct vfu_input *input = &vfu->input;
	union {
		char bytes[CMSG_SPACE(VFU_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = input->bytes + input->end, .iov_len = room };
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	do {
		n = recvmsg(vfu->socket, &header, MSG_CMSG_CLOEXEC);
		vfu->reads++;
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	input->end += n;
	vfu_take_fds(input, &header);
	return true;
}

/* The size of the first message in the input, 0 if its header is incomplete */
static size_t vfu_message_size(const struct vfu *vfu)
{
	const struct vfu_input *input = &vfu->input;

	return input->end - input->start < VFU_HEADER ?
		       0 :
		       get32(input->bytes + input->start + 4);
}

bool vfu_has_message(const struct vfu *vfu)
{
	size_t size = vfu_message_size(vfu);

	return size && size <= vfu->input.end - vfu->input.start;
}

/* Reads until the input contains a whole message. Reads only the rest of an incomplete one. */
static bool vfu_receive(struct vfu *vfu)
{
	struct vfu_input *input = &vfu->input;
	size_t size, there;

	while (!vfu_has_message(vfu)) {
		there = input->end - input->start;
		memmove(input->bytes, input->bytes + input->start, there);
		input->fds_end -= input->fds_end > input->start ? input->start : input->fds_end;
		input->start = 0;
		input->end = there;
		size = vfu_message_size(vfu);
		if (there >= VFU_HEADER && (size < VFU_HEADER || size > sizeof(input->bytes)))
			return false;
		if (!vfu_read(vfu, !there ? sizeof(input->bytes) :
				   !size  ? VFU_HEADER - there :
					    size - there))
			return false;
	}
	size = vfu_message_size(vfu);
	return size >= VFU_HEADER && size <= sizeof(input->bytes);
}

/* The descriptors of the message that ends here */
static void vfu_give_fds(struct vfu_input *input, struct vfu_message *m, size_t end)
{
	if (!input->fd_count || input->fds_end > end)
		return;
	memcpy(m->fds, input->fds, sizeof(m->fds));
	m->fd_count = input->fd_count;
	input->fd_count = 0;
}

static bool vfu_send(const struct vfu *vfu, const uint8_t *data, size_t length)
{
	while (length) {
		ssize_t n = send(vfu->socket, data, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		length -= n;
	}
	return true;
}

bool vfu_serve(struct vfu *vfu)
{
	static uint8_t reply[VFU_MESSAGE_MAX];
	struct vfu_input *input = &vfu->input;
	struct vfu_message m = { 0 };
	const uint8_t *header;
	size_t size;

	if (!vfu_receive(vfu))
		return false;
	header = input->bytes + input->start;
	size = vfu_message_size(vfu);
	m.id = get16(header);
	m.command = get16(header + 2);
	m.flags = get32(header + 8);
	m.payload = header + VFU_HEADER;
	m.length = size - VFU_HEADER;
	input->start += size;
	vfu_give_fds(input, &m, input->start);
	size = vfu_handle(vfu, &m, reply);
	return vfu_send(vfu, reply, size);
}
