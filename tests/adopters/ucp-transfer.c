// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ucp_put_nbx() and ucp_get_nbx() of UCX between two processes, in buffers that begin and end
 * inside huge pages and are registered as non-blocking, which is on-demand paging. The program
 * prints how many buffers share the memory region of another one.
 *
 * usage: ucp-transfer ADDRESS PORT
 */
#include "side.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <ucp/api/ucp.h>

#define KEY_BYTES 256

/* The buffers of the server, as the client addresses them. */
struct offer {
	uint64_t addr[BUFFERS];
	unsigned char key[BUFFERS][KEY_BYTES];
};

static struct {
	const char *address;
	const char *port;
	ucp_context_h context;
	ucp_worker_h worker;
	ucp_listener_h listener;
	ucp_conn_request_h request;
	ucp_ep_h ep;
	ucp_mem_h memory[BUFFERS];
	ucp_rkey_h key[BUFFERS];
	struct offer offer;
} net;

static void done(const struct side *side, ucs_status_t status, const char *what)
{
	if (status == UCS_OK)
		return;
	fprintf(stderr, "%s: %s: %s\n", side->name, what, ucs_status_string(status));
	exit(1);
}

static void progress(void)
{
	ucp_worker_progress(net.worker);
}

/* @request: as a function returned it that need not be complete */
static void complete(const struct side *side, ucs_status_ptr_t request, const char *what)
{
	ucs_status_t status;

	if (!UCS_PTR_IS_PTR(request)) {
		done(side, UCS_PTR_STATUS(request), what);
		return;
	}
	do
		progress();
	while ((status = ucp_request_check_status(request)) == UCS_INPROGRESS);
	ucp_request_free(request);
	done(side, status, what);
}

static void open_worker(const struct side *side)
{
	const ucp_params_t params = {
		.field_mask = UCP_PARAM_FIELD_FEATURES,
		.features = UCP_FEATURE_RMA,
	};
	const ucp_worker_params_t worker_params = { 0 };
	ucp_config_t *config;

	done(side, ucp_config_read(NULL, NULL, &config), "ucp_config_read()");
	done(side, ucp_init(&params, config, &net.context), "ucp_init()");
	ucp_config_release(config);
	done(side, ucp_worker_create(net.context, &worker_params, &net.worker),
	     "ucp_worker_create()");
}

static void request_handler(ucp_conn_request_h request, void *arg)
{
	(void)arg;
	net.request = request;
}

static void listen_and_accept(const struct side *side, const struct addrinfo *at)
{
	const ucp_listener_params_t listener_params = {
		.field_mask =
			UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER,
		.sockaddr = { .addr = at->ai_addr, .addrlen = at->ai_addrlen },
		.conn_handler = { .cb = request_handler },
	};
	ucp_ep_params_t params = { .field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST };

	done(side, ucp_listener_create(net.worker, &listener_params, &net.listener),
	     "ucp_listener_create()");
	meet(side);
	while (!net.request)
		progress();
	params.conn_request = net.request;
	done(side, ucp_ep_create(net.worker, &params, &net.ep), "ucp_ep_create()");
}

static void connect_to(const struct side *side, const struct addrinfo *at)
{
	const ucp_ep_params_t params = {
		.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR,
		.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER,
		.sockaddr = { .addr = at->ai_addr, .addrlen = at->ai_addrlen },
	};

	meet(side);
	done(side, ucp_ep_create(net.worker, &params, &net.ep), "ucp_ep_create()");
}

static void connect_both(const struct side *side, bool is_server)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct addrinfo *at;

	require(side, !getaddrinfo(net.address, net.port, &hints, &at), "not an address");
	if (is_server)
		listen_and_accept(side, at);
	else
		connect_to(side, at);
	freeaddrinfo(at);
	complete(side, ucp_ep_flush_nbx(net.ep, &(ucp_request_param_t){ 0 }), "no connection");
	meet(side);
}

/* A packed key has no address: two that are the same are of one memory region. */
static void pack_key(const struct side *side, size_t i)
{
	void *key;
	size_t length;

	done(side, ucp_rkey_pack(net.context, net.memory[i], &key, &length), "ucp_rkey_pack()");
	require(side, length <= KEY_BYTES, "a longer key than expected");
	memcpy(net.offer.key[i], key, length);
	ucp_rkey_buffer_release(key);
}

/* Register all buffers; returns how many are in the memory region of an earlier one. */
static unsigned int register_buffers(const struct side *side)
{
	unsigned int shared = 0;

	for (size_t i = 0; i < BUFFERS; i++) {
		const ucp_mem_map_params_t params = {
			.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS |
				      UCP_MEM_MAP_PARAM_FIELD_LENGTH |
				      UCP_MEM_MAP_PARAM_FIELD_FLAGS,
			.address = side->data + buffers[i].at,
			.length = buffers[i].length,
			.flags = UCP_MEM_MAP_NONBLOCK,
		};

		done(side, ucp_mem_map(net.context, &params, &net.memory[i]), "ucp_mem_map()");
		pack_key(side, i);
		net.offer.addr[i] = (uintptr_t)params.address;
		shared += i && !memcmp(net.offer.key[i], net.offer.key[i - 1], KEY_BYTES);
	}
	return shared;
}

static void write_buffer(const struct side *side, size_t i)
{
	const ucp_request_param_t param = { 0 };

	complete(side,
		 ucp_put_nbx(net.ep, side->data + buffers[i].at, buffers[i].length,
			     net.offer.addr[i], net.key[i], &param),
		 "ucp_put_nbx()");
	complete(side, ucp_ep_flush_nbx(net.ep, &param), "ucp_ep_flush_nbx()");
}

static void read_buffer(const struct side *side, size_t i)
{
	const ucp_request_param_t param = { 0 };

	complete(side,
		 ucp_get_nbx(net.ep, side->data + buffers[i].at, buffers[i].length,
			     net.offer.addr[i], net.key[i], &param),
		 "ucp_get_nbx()");
}

static const struct operations operations = {
	.write_name = "ucp_put_nbx()",
	.read_name = "ucp_get_nbx()",
	.write = write_buffer,
	.read = read_buffer,
};

/*
 * The endpoint ends with its worker. ucp_ep_close_nbx() flushes it, which fails in the process that
 * is later if the other one has already destroyed its QP. For the same reason no progress is made
 * after both are here.
 */
static void close_all(struct side *side, bool is_server)
{
	for (size_t i = 0; i < BUFFERS; i++) {
		if (!is_server)
			ucp_rkey_destroy(net.key[i]);
		done(side, ucp_mem_unmap(net.context, net.memory[i]), "ucp_mem_unmap()");
	}
	side->progress = NULL;
	meet(side);
	if (net.listener)
		ucp_listener_destroy(net.listener);
	ucp_worker_destroy(net.worker);
	ucp_cleanup(net.context);
}

static void run(struct side *side, bool is_server)
{
	open_worker(side);
	side->progress = progress;
	printf("%s: buffers in the memory region of another one: %u\n", side->name,
	       register_buffers(side));
	fflush(stdout);
	connect_both(side, is_server);
	if (is_server)
		hand_over(side, &net.offer, sizeof(net.offer));
	else
		take(side, &net.offer, sizeof(net.offer));
	for (size_t i = 0; !is_server && i < BUFFERS; i++)
		done(side, ucp_ep_rkey_unpack(net.ep, net.offer.key[i], &net.key[i]),
		     "ucp_ep_rkey_unpack()");
	for (size_t i = 0; i < BUFFERS; i++)
		transfer(side, is_server, i, &operations);
	close_all(side, is_server);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: ucp-transfer ADDRESS PORT\n");
		return 2;
	}
	net.address = argv[1];
	net.port = argv[2];
	return two_sides(run);
}
