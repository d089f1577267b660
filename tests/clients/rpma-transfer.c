// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * librpma: one process exports memory, another one writes parts of it and
 * reads all of it back; each compares all bytes of its memory, also those
 * that must not be written.
 * usage: rpma-transfer ADDRESS PORT
 */
#include <librpma.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#define LENGTH ((size_t)8 << 20)
#define ROUNDS 8

enum { SERVER_SEED = 1, CLIENT_SEED = 2 };

static const char *who;

static void require(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s: %s\n", who, what);
	exit(1);
}

static void call(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "%s: %s: %s\n", who, what, rpma_err_2str(ret));
	exit(1);
}

static unsigned char byte_at(unsigned int seed, size_t at)
{
	uint64_t x = at * 0x9e3779b97f4a7c15ULL + seed * 0xbf58476d1ce4e5b9ULL;

	return (unsigned char)(x >> 56 ^ x >> 23);
}

static unsigned char *filled(unsigned int seed)
{
	unsigned char *data = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(data != MAP_FAILED, "no memory");
	for (size_t i = 0; i < LENGTH; i++)
		data[i] = byte_at(seed, i);
	return data;
}

/* Part @round that the client writes; both processes know it. */
static void part(unsigned int round, size_t *from, size_t *length)
{
	*from = round * (LENGTH / ROUNDS) + 4097 * round;
	*length = LENGTH / ROUNDS / 2 + 13 * round;
	if (*length > LENGTH - *from)
		*length = LENGTH - *from;
}

static struct rpma_peer *peer_open(const char *address, enum rpma_util_ibv_context_type type)
{
	struct ibv_context *context;
	struct rpma_peer *peer;

	call(rpma_utils_get_ibv_context(address, type, &context), "rpma_utils_get_ibv_context");
	call(rpma_peer_new(context, &peer), "rpma_peer_new");
	return peer;
}

static void expect_event(struct rpma_conn *conn, enum rpma_conn_event want)
{
	enum rpma_conn_event event;

	call(rpma_conn_next_event(conn, &event), "rpma_conn_next_event");
	require(event == want, rpma_utils_conn_event_2str(event));
}

static void server(const char *address, const char *port, int ready)
{
	struct rpma_peer *peer = peer_open(address, RPMA_UTIL_IBV_CONTEXT_LOCAL);
	unsigned char *want = filled(SERVER_SEED);
	unsigned char *data = filled(SERVER_SEED);
	struct rpma_conn_private_data private;
	struct rpma_mr_local *mr;
	struct rpma_conn_req *req;
	struct rpma_conn *conn;
	struct rpma_ep *ep;
	unsigned char descriptor[64];
	size_t size;

	call(rpma_mr_reg(peer, data, LENGTH,
			 RPMA_MR_USAGE_READ_SRC | RPMA_MR_USAGE_WRITE_DST |
				 RPMA_MR_USAGE_FLUSH_TYPE_VISIBILITY,
			 &mr),
	     "rpma_mr_reg");
	call(rpma_mr_get_descriptor_size(mr, &size), "rpma_mr_get_descriptor_size");
	require(size <= sizeof(descriptor), "a long descriptor");
	call(rpma_mr_get_descriptor(mr, descriptor), "rpma_mr_get_descriptor");
	private.ptr = descriptor;
	private.len = (uint8_t)size;
	call(rpma_ep_listen(peer, address, port, &ep), "rpma_ep_listen");
	require(write(ready, "", 1) == 1, "the other process is gone");
	call(rpma_ep_next_conn_req(ep, NULL, &req), "rpma_ep_next_conn_req");
	call(rpma_conn_req_connect(&req, &private, &conn), "rpma_conn_req_connect");
	expect_event(conn, RPMA_CONN_ESTABLISHED);
	expect_event(conn, RPMA_CONN_CLOSED);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		size_t from, length;

		part(round, &from, &length);
		for (size_t i = from; i < from + length; i++)
			want[i] = byte_at(CLIENT_SEED, i);
	}
	require(!memcmp(data, want, LENGTH), "wrong bytes were written");
	call(rpma_conn_delete(&conn), "rpma_conn_delete");
	call(rpma_mr_dereg(&mr), "rpma_mr_dereg");
	call(rpma_ep_shutdown(&ep), "rpma_ep_shutdown");
	call(rpma_peer_delete(&peer), "rpma_peer_delete");
}

static void complete(struct rpma_conn *conn)
{
	struct rpma_cq *cq;
	struct ibv_wc wc;

	call(rpma_conn_get_cq(conn, &cq), "rpma_conn_get_cq");
	call(rpma_cq_wait(cq), "rpma_cq_wait");
	call(rpma_cq_get_wc(cq, 1, &wc, NULL), "rpma_cq_get_wc");
	require(wc.status == IBV_WC_SUCCESS, ibv_wc_status_str(wc.status));
}

static void client_transfers(struct rpma_peer *peer, struct rpma_conn *conn,
			     struct rpma_mr_remote *remote)
{
	unsigned char *data = filled(CLIENT_SEED);
	unsigned char *back = filled(CLIENT_SEED);
	unsigned char *want = filled(SERVER_SEED);
	struct rpma_mr_local *from_mr, *to_mr;

	call(rpma_mr_reg(peer, data, LENGTH, RPMA_MR_USAGE_WRITE_SRC, &from_mr), "rpma_mr_reg");
	call(rpma_mr_reg(peer, back, LENGTH, RPMA_MR_USAGE_READ_DST, &to_mr), "rpma_mr_reg");
	for (unsigned int round = 0; round < ROUNDS; round++) {
		size_t from, length;

		part(round, &from, &length);
		call(rpma_write(conn, remote, from, from_mr, from, length,
				RPMA_F_COMPLETION_ALWAYS, NULL),
		     "rpma_write");
		complete(conn);
		memcpy(want + from, data + from, length);
	}
	call(rpma_flush(conn, remote, 0, LENGTH, RPMA_FLUSH_TYPE_VISIBILITY,
			RPMA_F_COMPLETION_ALWAYS, NULL),
	     "rpma_flush");
	complete(conn);
	call(rpma_read(conn, to_mr, 0, remote, 0, LENGTH, RPMA_F_COMPLETION_ALWAYS, NULL),
	     "rpma_read");
	complete(conn);
	require(!memcmp(back, want, LENGTH), "wrong bytes were read");
	call(rpma_mr_dereg(&from_mr), "rpma_mr_dereg");
	call(rpma_mr_dereg(&to_mr), "rpma_mr_dereg");
}

static void client(const char *address, const char *port)
{
	struct rpma_peer *peer = peer_open(address, RPMA_UTIL_IBV_CONTEXT_REMOTE);
	struct rpma_conn_private_data private;
	struct rpma_mr_remote *remote;
	struct rpma_conn_req *req;
	struct rpma_conn *conn;

	call(rpma_conn_req_new(peer, address, port, NULL, &req), "rpma_conn_req_new");
	call(rpma_conn_req_connect(&req, NULL, &conn), "rpma_conn_req_connect");
	expect_event(conn, RPMA_CONN_ESTABLISHED);
	call(rpma_conn_get_private_data(conn, &private), "rpma_conn_get_private_data");
	call(rpma_mr_remote_from_descriptor(private.ptr, private.len, &remote),
	     "rpma_mr_remote_from_descriptor");
	client_transfers(peer, conn, remote);
	call(rpma_conn_disconnect(conn), "rpma_conn_disconnect");
	expect_event(conn, RPMA_CONN_CLOSED);
	call(rpma_mr_remote_delete(&remote), "rpma_mr_remote_delete");
	call(rpma_conn_delete(&conn), "rpma_conn_delete");
	call(rpma_peer_delete(&peer), "rpma_peer_delete");
}

int main(int argc, char **argv)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	who = "rpma-transfer";
	require(argc == 3, "usage: rpma-transfer ADDRESS PORT");
	require(!pipe(ready), "no pipe");
	pid = fork();
	require(pid >= 0, "no process");
	if (!pid) {
		who = "server";
		server(argv[1], argv[2], ready[1]);
		exit(0);
	}
	close(ready[1]);
	who = "client";
	require(read(ready[0], &byte, 1) == 1, "the server did not start");
	client(argv[1], argv[2]);
	require(waitpid(pid, &status, 0) == pid && !status, "the server failed");
	puts("all bytes are right");
	return 0;
}
