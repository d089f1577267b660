// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>

#include "log.h"
#include "rdma_netlink.h"

/* Large enough for any part of a dump; too large for a small stack. */
#define DATAGRAM 16384

/* Attempts at a dump that changes of its objects interrupt. */
#define DUMPS 8

struct request {
	struct nlmsghdr hdr;
	unsigned char attrs[64];
};

/* What becomes of an answer. */
struct answer {
	nl_message_fn message;
	nl_restart_fn restart; /* before a dump is made again */
	void *arg;
	bool interrupted; /* the kernel has marked the dump as inconsistent */
};

static void request_init(struct request *req, uint32_t seq, uint16_t op, uint16_t flags)
{
	memset(req, 0, sizeof(*req));
	req->hdr.nlmsg_len = sizeof(req->hdr);
	req->hdr.nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, op);
	req->hdr.nlmsg_flags = NLM_F_REQUEST | flags;
	req->hdr.nlmsg_seq = seq;
}

static void request_add(struct request *req, uint16_t type, const void *data, uint16_t len)
{
	struct nlattr attr = { .nla_len = NLA_HDRLEN + len, .nla_type = type };
	unsigned char *at = (unsigned char *)req + req->hdr.nlmsg_len;

	memcpy(at, &attr, sizeof(attr));
	memcpy(at + NLA_HDRLEN, data, len);
	req->hdr.nlmsg_len += NLA_ALIGN(attr.nla_len);
}

bool nl_next(struct nl_attrs *rest, uint16_t *type, struct nl_attrs *value)
{
	struct nlattr attr;
	size_t step;

	if (rest->len < sizeof(attr))
		return false;
	memcpy(&attr, rest->data, sizeof(attr));
	if (attr.nla_len < NLA_HDRLEN || attr.nla_len > rest->len)
		return false;
	*type = attr.nla_type & NLA_TYPE_MASK;
	value->data = rest->data + NLA_HDRLEN;
	value->len = attr.nla_len - NLA_HDRLEN;
	step = NLA_ALIGN(attr.nla_len);
	if (step > rest->len)
		step = rest->len;
	rest->data += step;
	rest->len -= step;
	return true;
}

bool nl_find(const struct nl_attrs *attrs, uint16_t type, struct nl_attrs *value)
{
	struct nl_attrs rest = *attrs;
	uint16_t found;

	while (nl_next(&rest, &found, value)) {
		if (found == type)
			return true;
	}
	return false;
}

bool nl_uint(const struct nl_attrs *value, uint64_t *number)
{
	uint32_t number32;

	if (value->len == sizeof(number32)) {
		memcpy(&number32, value->data, sizeof(number32));
		*number = number32;
		return true;
	}
	if (value->len != sizeof(*number))
		return false;
	memcpy(number, value->data, sizeof(*number));
	return true;
}

bool nl_find_uint(const struct nl_attrs *attrs, uint16_t type, uint64_t *number)
{
	struct nl_attrs value;

	return nl_find(attrs, type, &value) && nl_uint(&value, number);
}

/*
 * Receive one datagram from the kernel. Returns 0 or an errno value. The kernel
 * answers within send(), so this never has to wait.
 */
static int receive(int fd, void *buf, size_t size, size_t *len)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	ssize_t ret;

	do {
		ret = recvmsg(fd, &msg, MSG_DONTWAIT);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return errno;
	if (ret == 0 || (msg.msg_flags & MSG_TRUNC) || from.nl_pid != 0)
		return EBADMSG;
	*len = (size_t)ret;
	return 0;
}

/*
 * Log the kernel's own text about an error, which follows the errno value; in an NLMSG_ERROR, also the
 * header of the request, and all of it unless the message is marked as capped.
 */
static void log_text(const struct nlmsghdr *hdr, struct nl_attrs rest)
{
	struct nlmsghdr request;
	struct nl_attrs text;
	size_t skip = sizeof(int32_t);

	if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (hdr->nlmsg_type == NLMSG_ERROR) {
		if (rest.len < skip + sizeof(request))
			return;
		memcpy(&request, rest.data + skip, sizeof(request));
		if (hdr->nlmsg_flags & NLM_F_CAPPED)
			skip += sizeof(request);
		else if (request.nlmsg_len <= rest.len)
			skip += NLMSG_ALIGN(request.nlmsg_len);
	}
	if (rest.len < skip)
		return;
	rest.data += skip;
	rest.len -= skip;
	if (nl_find(&rest, NLMSGERR_ATTR_MSG, &text))
		log_line("RDMA netlink: %.*s", (int)text.len, (const char *)text.data);
}

/* The errno value at the start of a message, or 0. */
static int read_error(const struct nl_attrs *attrs)
{
	int32_t error;

	if (attrs->len < sizeof(error))
		return 0;
	memcpy(&error, attrs->data, sizeof(error));
	return error < 0 && error > INT32_MIN ? -error : 0;
}

static bool is_dump(const struct request *req)
{
	return (req->hdr.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
}

/*
 * Process one message. Returns 0 to continue, -1 at the end of the answer, or an
 * errno value.
 */
static int handle(const struct request *req, const struct nlmsghdr *hdr, struct answer *answer)
{
	struct nl_attrs attrs = {
		.data = (const unsigned char *)hdr + NLMSG_HDRLEN,
		.len = hdr->nlmsg_len - NLMSG_HDRLEN,
	};
	int err;

	if (hdr->nlmsg_seq != req->hdr.nlmsg_seq)
		return 0;
	if (is_dump(req) && hdr->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->interrupted = true;
	/* a failed dump reports its error in the final message */
	if (hdr->nlmsg_type == NLMSG_DONE || hdr->nlmsg_type == NLMSG_ERROR) {
		err = read_error(&attrs);
		if (err > 0) {
			log_text(hdr, attrs);
			return err;
		}
		return hdr->nlmsg_type == NLMSG_DONE ? -1 : EBADMSG;
	}
	if (hdr->nlmsg_type != req->hdr.nlmsg_type)
		return EBADMSG;
	err = answer->message(&attrs, answer->arg);
	if (err)
		return err;
	return is_dump(req) ? 0 : -1;
}

static int exchange_once(int fd, const struct request *req, void *buf, struct answer *answer)
{
	const struct nlmsghdr *hdr;
	size_t left = 0;
	size_t step;
	int err;

	if (send(fd, req, req->hdr.nlmsg_len, 0) < 0)
		return errno;
	for (;;) {
		err = receive(fd, buf, DATAGRAM, &left);
		if (err)
			return err;
		for (hdr = buf; left; left -= step) {
			if (left < sizeof(*hdr) || hdr->nlmsg_len < sizeof(*hdr) ||
			    hdr->nlmsg_len > left)
				return EBADMSG;
			err = handle(req, hdr, answer);
			if (err)
				return err < 0 ? 0 : err;
			step = NLMSG_ALIGN(hdr->nlmsg_len);
			if (step > left)
				step = left;
			hdr = (const void *)((const unsigned char *)hdr + step);
		}
	}
}

/* A dump during which objects came or went may lack others, or have them twice: make it again. */
static int exchange(int fd, const struct request *req, void *buf, struct answer *answer)
{
	int err;
	int i;

	for (i = 0; i < DUMPS; i++) {
		if (i)
			answer->restart(answer->arg);
		answer->interrupted = false;
		err = exchange_once(fd, req, buf, answer);
		if (err || !answer->interrupted)
			return err;
	}
	return EBUSY;
}

struct find_index {
	const char *name;
	uint32_t index;
	bool found;
};

static int find_index(const struct nl_attrs *attrs, void *arg)
{
	struct find_index *find = arg;
	struct nl_attrs name;
	uint64_t index;

	if (!nl_find(attrs, RDMA_NLDEV_ATTR_DEV_NAME, &name) ||
	    !nl_find_uint(attrs, RDMA_NLDEV_ATTR_DEV_INDEX, &index))
		return EBADMSG;
	if (name.len == strlen(find->name) + 1 && !memcmp(name.data, find->name, name.len)) {
		find->index = (uint32_t)index;
		find->found = true;
	}
	return 0;
}

static void find_index_restart(void *arg)
{
	struct find_index *find = arg;

	find->found = false;
}

struct find_driver {
	dev_t rdev;
	uint32_t driver_id;
};

static int find_driver(const struct nl_attrs *attrs, void *arg)
{
	struct find_driver *find = arg;
	uint64_t value;

	if (!nl_find_uint(attrs, RDMA_NLDEV_ATTR_CHARDEV, &value))
		return EBADMSG;
	/* the name may belong to another device by now */
	if (value != rdma_netlink_dev(find->rdev))
		return ENODEV;
	if (!nl_find_uint(attrs, RDMA_NLDEV_ATTR_UVERBS_DRIVER_ID, &value))
		return ENODATA;
	if (value > UINT32_MAX)
		return EBADMSG;
	find->driver_id = (uint32_t)value;
	return 0;
}

/* Find the device's index, then send the request. @client: type of character device, or NULL. */
static int ask_by(int fd, void *buf, const char *ibdev, uint16_t op, uint16_t flags,
		  const char *client, struct answer *answer)
{
	struct find_index index = { .name = ibdev };
	struct answer indices = {
		.message = find_index,
		.restart = find_index_restart,
		.arg = &index,
	};
	struct request req;
	int err;

	request_init(&req, 1, RDMA_NLDEV_CMD_GET, NLM_F_DUMP);
	err = exchange(fd, &req, buf, &indices);
	if (!err && !index.found)
		err = ENODEV;
	if (!err) {
		request_init(&req, 2, op, flags);
		request_add(&req, RDMA_NLDEV_ATTR_DEV_INDEX, &index.index, sizeof(index.index));
		if (client)
			request_add(&req, RDMA_NLDEV_ATTR_CHARDEV_TYPE, client,
				    (uint16_t)(strlen(client) + 1));
		err = exchange(fd, &req, buf, answer);
	}
	return err;
}

/* Have the kernel add text to errors. Kernels before 4.12 do not have it; then there is none. */
static void want_text(int fd)
{
	const int on = 1;

	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
}

static int ask(const char *ibdev, uint16_t op, uint16_t flags, const char *client,
	       struct answer *answer)
{
	void *buf;
	int fd;
	int err;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_RDMA);
	if (fd < 0)
		return errno;
	if (log_wanted())
		want_text(fd);
	buf = malloc(DATAGRAM);
	err = buf ? ask_by(fd, buf, ibdev, op, flags, client, answer) : ENOMEM;
	free(buf);
	close(fd);
	return err;
}

int rdma_netlink_driver_id(const char *ibdev, dev_t rdev, uint32_t *driver_id)
{
	struct find_driver driver = { .rdev = rdev };
	struct answer answer = { .message = find_driver, .arg = &driver };
	int err;

	err = ask(ibdev, RDMA_NLDEV_CMD_GET_CHARDEV, 0, "uverbs", &answer);
	if (!err)
		*driver_id = driver.driver_id;
	return err;
}

int rdma_netlink_mrs(const char *ibdev, nl_message_fn message, nl_restart_fn restart, void *arg)
{
	struct answer answer = { .message = message, .restart = restart, .arg = arg };

	return ask(ibdev, RDMA_NLDEV_CMD_RES_MR_GET, NLM_F_DUMP, NULL, &answer);
}

uint32_t rdma_netlink_dev(dev_t rdev)
{
	return (minor(rdev) & 0xff) | major(rdev) << 8 | (minor(rdev) & ~0xffu) << 12;
}
