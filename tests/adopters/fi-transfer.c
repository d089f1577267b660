// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * fi_write() and fi_read() of libfabric between two processes, in buffers that begin and end inside
 * huge pages. Each process compares all of its memory, also the bytes around the buffers, which must
 * not change. The second buffer of a process is in the last huge page of the first one: the program
 * prints how many buffers share the memory region of another one.
 *
 * usage: fi-transfer ADDRESS PORT
 */
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define LENGTH (4 * HUGE_PAGE)
#define TIMEOUT_MS 60000
#define VERSION FI_VERSION(1, 18)

struct buffer {
	size_t at;
	size_t length;
};

/* Not a multiple of any page size; the second one starts in the last huge page of the first one. */
static const struct buffer buffers[] = {
	{ 12345, 5 * (HUGE_PAGE / 2) - 4321 },
	{ 11 * (HUGE_PAGE / 4) + 99, 3001 },
};
#define BUFFERS (sizeof(buffers) / sizeof(*buffers))

/* The buffers of the server, as the client addresses them. */
struct offer {
	uint64_t addr[BUFFERS];
	uint64_t key[BUFFERS];
};

struct side {
	const char *name;
	unsigned int seed;
	int peer;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_eq *eq;
	struct fid_cq *cq;
	struct fid_pep *pep;
	struct fid_ep *ep;
	struct fid_mr *mr[BUFFERS];
	unsigned char *data;
	unsigned char *want;
};

static void require(const struct side *side, bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s: %s\n", side->name, what);
	exit(1);
}

/* @result: of a function of libfabric, negative if it failed */
static void done(const struct side *side, ssize_t result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s: %s\n", side->name, what, fi_strerror((int)-result));
	exit(1);
}

static unsigned char byte_at(unsigned int seed, size_t at)
{
	uint64_t x = at * 0x9e3779b97f4a7c15ULL + seed * 0xbf58476d1ce4e5b9ULL;

	return (unsigned char)(x >> 56 ^ x >> 23);
}

/* Whole huge pages, at the beginning of one. */
static unsigned char *map(const struct side *side)
{
	unsigned char *data = mmap(NULL, LENGTH + HUGE_PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t past = (uintptr_t)data % HUGE_PAGE;

	require(side, data != MAP_FAILED, "no memory");
	data += past ? HUGE_PAGE - past : 0;
	require(side, !madvise(data, LENGTH, MADV_HUGEPAGE), "no MADV_HUGEPAGE");
	return data;
}

static void fill(struct side *side, unsigned int seed)
{
	for (size_t i = 0; i < LENGTH; i++)
		side->data[i] = side->want[i] = byte_at(seed, i);
}

static void expect(struct side *side, unsigned int seed, const struct buffer *buffer)
{
	for (size_t i = buffer->at; i < buffer->at + buffer->length; i++)
		side->want[i] = byte_at(seed, i);
}

static void check(const struct side *side, const char *what)
{
	for (size_t i = 0; i < LENGTH; i++) {
		if (side->data[i] == side->want[i])
			continue;
		fprintf(stderr, "%s: %s: byte %zu is %#x, not %#x\n", side->name, what, i,
			side->data[i], side->want[i]);
		exit(1);
	}
}

/* Wait until the peer process is here, too, and give it @length bytes. */
static void hand_over(const struct side *side, const void *from, size_t length)
{
	require(side, send(side->peer, from, length, MSG_NOSIGNAL) == (ssize_t)length,
		"the other process ended");
}

static void take(const struct side *side, void *to, size_t length)
{
	require(side, recv(side->peer, to, length, MSG_WAITALL) == (ssize_t)length,
		"the other process ended");
}

static void meet(const struct side *side)
{
	char mark = 1;

	hand_over(side, &mark, 1);
	take(side, &mark, 1);
}

static struct fi_info *get_info(const struct side *side, const char *address, const char *port,
				uint64_t flags)
{
	struct fi_info *hints = fi_allocinfo(), *info = NULL;

	require(side, hints, "no memory");
	hints->caps = FI_MSG | FI_RMA;
	hints->addr_format = FI_SOCKADDR_IN;
	hints->ep_attr->type = FI_EP_MSG;
	hints->domain_attr->mr_mode =
		FI_MR_LOCAL | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_VIRT_ADDR;
	hints->fabric_attr->prov_name = strdup("verbs");
	done(side, fi_getinfo(VERSION, address, port, flags, hints, &info), "fi_getinfo()");
	fi_freeinfo(hints);
	return info;
}

/* The next event must be this one; returns its information, if it has some. */
static struct fi_info *event(const struct side *side, uint32_t wanted, const char *what)
{
	struct fi_eq_cm_entry entry = { 0 };
	struct fi_eq_err_entry error = { 0 };
	uint32_t got = 0;
	ssize_t n = fi_eq_sread(side->eq, &got, &entry, sizeof(entry), TIMEOUT_MS, 0);

	if (n == -FI_EAVAIL && fi_eq_readerr(side->eq, &error, 0) > 0)
		done(side, -error.err, what);
	done(side, n, what);
	require(side, got == wanted, what);
	return entry.info;
}

static void open_fabric(struct side *side, const struct fi_info *info)
{
	struct fi_eq_attr attr = { .wait_obj = FI_WAIT_UNSPEC };

	done(side, fi_fabric(info->fabric_attr, &side->fabric, NULL), "fi_fabric()");
	done(side, fi_eq_open(side->fabric, &attr, &side->eq, NULL), "fi_eq_open()");
}

static void open_endpoint(struct side *side, struct fi_info *info)
{
	struct fi_cq_attr attr = { .format = FI_CQ_FORMAT_CONTEXT, .wait_obj = FI_WAIT_UNSPEC };

	done(side, fi_domain(side->fabric, info, &side->domain, NULL), "fi_domain()");
	done(side, fi_cq_open(side->domain, &attr, &side->cq, NULL), "fi_cq_open()");
	done(side, fi_endpoint(side->domain, info, &side->ep, NULL), "fi_endpoint()");
	done(side, fi_ep_bind(side->ep, &side->eq->fid, 0), "fi_ep_bind()");
	done(side, fi_ep_bind(side->ep, &side->cq->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind()");
	done(side, fi_enable(side->ep), "fi_enable()");
}

static void listen_and_accept(struct side *side, const char *address, const char *port)
{
	struct fi_info *info = get_info(side, address, port, FI_SOURCE), *request;

	open_fabric(side, info);
	done(side, fi_passive_ep(side->fabric, info, &side->pep, NULL), "fi_passive_ep()");
	done(side, fi_pep_bind(side->pep, &side->eq->fid, 0), "fi_pep_bind()");
	done(side, fi_listen(side->pep), "fi_listen()");
	meet(side);
	request = event(side, FI_CONNREQ, "no request to connect");
	open_endpoint(side, request);
	done(side, fi_accept(side->ep, NULL, 0), "fi_accept()");
	event(side, FI_CONNECTED, "no connection");
	fi_freeinfo(request);
	fi_freeinfo(info);
}

static void connect_to(struct side *side, const char *address, const char *port)
{
	struct fi_info *info = get_info(side, address, port, 0);

	open_fabric(side, info);
	open_endpoint(side, info);
	meet(side);
	done(side, fi_connect(side->ep, info->dest_addr, NULL, 0), "fi_connect()");
	event(side, FI_CONNECTED, "no connection");
	fi_freeinfo(info);
}

/* Register all buffers; returns how many are in the memory region of an earlier one. */
static unsigned int register_buffers(struct side *side)
{
	const uint64_t access = FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
	unsigned int shared = 0;

	for (size_t i = 0; i < BUFFERS; i++) {
		done(side,
		     fi_mr_reg(side->domain, side->data + buffers[i].at, buffers[i].length, access,
			       0, i, 0, &side->mr[i], NULL),
		     "fi_mr_reg()");
		shared += i && fi_mr_key(side->mr[i]) == fi_mr_key(side->mr[i - 1]);
	}
	return shared;
}

static void complete(const struct side *side, const char *what)
{
	struct fi_cq_err_entry error = { 0 };
	struct fi_cq_entry entry;
	ssize_t n = fi_cq_sread(side->cq, &entry, 1, NULL, TIMEOUT_MS);

	if (n == -FI_EAVAIL && fi_cq_readerr(side->cq, &error, 0) > 0)
		done(side, -error.err, what);
	done(side, n, what);
	require(side, n == 1, what);
}

/* The client writes its buffer into the server's, then reads back what the server puts there. */
static void transfer(struct side *side, const struct offer *offer, size_t i)
{
	const struct buffer *buffer = &buffers[i];
	unsigned char *at = side->data + buffer->at;
	const unsigned int mine = side->seed + (unsigned int)i, theirs = mine ^ 0x100;

	fill(side, mine);
	meet(side);
	if (offer) {
		done(side,
		     fi_write(side->ep, at, buffer->length, fi_mr_desc(side->mr[i]), 0,
			      offer->addr[i], offer->key[i], NULL),
		     "fi_write()");
		complete(side, "fi_write()");
	} else {
		expect(side, theirs, buffer);
	}
	meet(side);
	check(side, "after fi_write()");

	fill(side, mine + 2);
	meet(side);
	if (offer) {
		done(side,
		     fi_read(side->ep, at, buffer->length, fi_mr_desc(side->mr[i]), 0,
			     offer->addr[i], offer->key[i], NULL),
		     "fi_read()");
		complete(side, "fi_read()");
		expect(side, theirs + 2, buffer);
	}
	meet(side);
	check(side, "after fi_read()");
	meet(side);
}

static void close_all(struct side *side)
{
	for (size_t i = 0; i < BUFFERS; i++)
		done(side, fi_close(&side->mr[i]->fid), "fi_close() of a memory region");
	done(side, fi_close(&side->ep->fid), "fi_close() of the endpoint");
	if (side->pep)
		done(side, fi_close(&side->pep->fid), "fi_close() of the passive endpoint");
	done(side, fi_close(&side->cq->fid), "fi_close() of the completion queue");
	done(side, fi_close(&side->domain->fid), "fi_close() of the domain");
	done(side, fi_close(&side->eq->fid), "fi_close() of the event queue");
	done(side, fi_close(&side->fabric->fid), "fi_close() of the fabric");
}

static void run(struct side *side, bool is_server, char **argv)
{
	struct offer offer = { 0 };

	side->data = map(side);
	side->want = map(side);
	fill(side, side->seed);
	if (is_server)
		listen_and_accept(side, argv[1], argv[2]);
	else
		connect_to(side, argv[1], argv[2]);
	printf("%s: buffers in the memory region of another one: %u\n", side->name,
	       register_buffers(side));
	fflush(stdout);
	for (size_t i = 0; i < BUFFERS; i++) {
		offer.addr[i] = (uintptr_t)side->data + buffers[i].at;
		offer.key[i] = fi_mr_key(side->mr[i]);
	}
	if (is_server)
		hand_over(side, &offer, sizeof(offer));
	else
		take(side, &offer, sizeof(offer));
	for (size_t i = 0; i < BUFFERS; i++)
		transfer(side, is_server ? NULL : &offer, i);
	close_all(side);
	printf("%s: all bytes are right\n", side->name);
}

int main(int argc, char **argv)
{
	struct side side = { 0 };
	int pair[2], status = 0;
	pid_t server;

	if (argc != 3) {
		fprintf(stderr, "usage: fi-transfer ADDRESS PORT\n");
		return 2;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
		perror("socketpair");
		return 1;
	}
	server = fork();
	if (server < 0) {
		perror("fork");
		return 1;
	}
	close(pair[!server]);
	side.peer = pair[!!server];
	side.name = server ? "client" : "server";
	side.seed = server ? 0x100 : 0;
	run(&side, !server, argv);
	if (server)
		waitpid(server, &status, 0);
	return status ? 1 : 0;
}
