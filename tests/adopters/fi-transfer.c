// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * fi_write() and fi_read() of libfabric between two processes, in buffers that begin and end inside
 * huge pages. The program prints how many buffers share the memory region of another one.
 *
 * usage: fi-transfer ADDRESS PORT
 */
#include "side.h"

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 60000
#define VERSION FI_VERSION(1, 18)

/* The buffers of the server, as the client addresses them. */
struct offer {
	uint64_t addr[BUFFERS];
	uint64_t key[BUFFERS];
};

static struct {
	const char *address;
	const char *port;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_eq *eq;
	struct fid_cq *cq;
	struct fid_pep *pep;
	struct fid_ep *ep;
	struct fid_mr *mr[BUFFERS];
	struct offer offer;
} net;

/* @result: of a function of libfabric, negative if it failed */
static void done(const struct side *side, ssize_t result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s: %s\n", side->name, what, fi_strerror((int)-result));
	exit(1);
}

static struct fi_info *get_info(const struct side *side, uint64_t flags)
{
	struct fi_info *hints = fi_allocinfo(), *info = NULL;

	require(side, hints, "no memory");
	hints->caps = FI_MSG | FI_RMA;
	hints->addr_format = FI_SOCKADDR_IN;
	hints->ep_attr->type = FI_EP_MSG;
	hints->domain_attr->mr_mode =
		FI_MR_LOCAL | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_VIRT_ADDR;
	hints->fabric_attr->prov_name = strdup("verbs");
	done(side, fi_getinfo(VERSION, net.address, net.port, flags, hints, &info), "fi_getinfo()");
	fi_freeinfo(hints);
	return info;
}

/* The next event must be this one; returns its information, if it has some. */
static struct fi_info *event(const struct side *side, uint32_t wanted, const char *what)
{
	struct fi_eq_cm_entry entry = { 0 };
	struct fi_eq_err_entry error = { 0 };
	uint32_t got = 0;
	ssize_t n = fi_eq_sread(net.eq, &got, &entry, sizeof(entry), TIMEOUT_MS, 0);

	if (n == -FI_EAVAIL && fi_eq_readerr(net.eq, &error, 0) > 0)
		done(side, -error.err, what);
	done(side, n, what);
	require(side, got == wanted, what);
	return entry.info;
}

static void open_fabric(const struct side *side, const struct fi_info *info)
{
	struct fi_eq_attr attr = { .wait_obj = FI_WAIT_UNSPEC };

	done(side, fi_fabric(info->fabric_attr, &net.fabric, NULL), "fi_fabric()");
	done(side, fi_eq_open(net.fabric, &attr, &net.eq, NULL), "fi_eq_open()");
}

static void open_endpoint(const struct side *side, struct fi_info *info)
{
	struct fi_cq_attr attr = { .format = FI_CQ_FORMAT_CONTEXT, .wait_obj = FI_WAIT_UNSPEC };

	done(side, fi_domain(net.fabric, info, &net.domain, NULL), "fi_domain()");
	done(side, fi_cq_open(net.domain, &attr, &net.cq, NULL), "fi_cq_open()");
	done(side, fi_endpoint(net.domain, info, &net.ep, NULL), "fi_endpoint()");
	done(side, fi_ep_bind(net.ep, &net.eq->fid, 0), "fi_ep_bind()");
	done(side, fi_ep_bind(net.ep, &net.cq->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind()");
	done(side, fi_enable(net.ep), "fi_enable()");
}

static void listen_and_accept(const struct side *side)
{
	struct fi_info *info = get_info(side, FI_SOURCE), *request;

	open_fabric(side, info);
	done(side, fi_passive_ep(net.fabric, info, &net.pep, NULL), "fi_passive_ep()");
	done(side, fi_pep_bind(net.pep, &net.eq->fid, 0), "fi_pep_bind()");
	done(side, fi_listen(net.pep), "fi_listen()");
	meet(side);
	request = event(side, FI_CONNREQ, "no request to connect");
	open_endpoint(side, request);
	done(side, fi_accept(net.ep, NULL, 0), "fi_accept()");
	event(side, FI_CONNECTED, "no connection");
	fi_freeinfo(request);
	fi_freeinfo(info);
}

static void connect_to(const struct side *side)
{
	struct fi_info *info = get_info(side, 0);

	open_fabric(side, info);
	open_endpoint(side, info);
	meet(side);
	done(side, fi_connect(net.ep, info->dest_addr, NULL, 0), "fi_connect()");
	event(side, FI_CONNECTED, "no connection");
	fi_freeinfo(info);
}

/* Register all buffers; returns how many are in the memory region of an earlier one. */
static unsigned int register_buffers(const struct side *side)
{
	const uint64_t access = FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
	unsigned int shared = 0;

	for (size_t i = 0; i < BUFFERS; i++) {
		done(side,
		     fi_mr_reg(net.domain, side->data + buffers[i].at, buffers[i].length, access, 0,
			       i, 0, &net.mr[i], NULL),
		     "fi_mr_reg()");
		shared += i && fi_mr_key(net.mr[i]) == fi_mr_key(net.mr[i - 1]);
	}
	return shared;
}

static void complete(const struct side *side, const char *what)
{
	struct fi_cq_err_entry error = { 0 };
	struct fi_cq_entry entry;
	ssize_t n = fi_cq_sread(net.cq, &entry, 1, NULL, TIMEOUT_MS);

	if (n == -FI_EAVAIL && fi_cq_readerr(net.cq, &error, 0) > 0)
		done(side, -error.err, what);
	done(side, n, what);
	require(side, n == 1, what);
}

static void write_buffer(const struct side *side, size_t i)
{
	done(side,
	     fi_write(net.ep, side->data + buffers[i].at, buffers[i].length, fi_mr_desc(net.mr[i]),
		      0, net.offer.addr[i], net.offer.key[i], NULL),
	     "fi_write()");
	complete(side, "fi_write()");
}

static void read_buffer(const struct side *side, size_t i)
{
	done(side,
	     fi_read(net.ep, side->data + buffers[i].at, buffers[i].length, fi_mr_desc(net.mr[i]),
		     0, net.offer.addr[i], net.offer.key[i], NULL),
	     "fi_read()");
	complete(side, "fi_read()");
}

static const struct operations operations = {
	.write_name = "fi_write()",
	.read_name = "fi_read()",
	.write = write_buffer,
	.read = read_buffer,
};

static void close_all(const struct side *side)
{
	for (size_t i = 0; i < BUFFERS; i++)
		done(side, fi_close(&net.mr[i]->fid), "fi_close() of a memory region");
	done(side, fi_close(&net.ep->fid), "fi_close() of the endpoint");
	if (net.pep)
		done(side, fi_close(&net.pep->fid), "fi_close() of the passive endpoint");
	done(side, fi_close(&net.cq->fid), "fi_close() of the completion queue");
	done(side, fi_close(&net.domain->fid), "fi_close() of the domain");
	done(side, fi_close(&net.eq->fid), "fi_close() of the event queue");
	done(side, fi_close(&net.fabric->fid), "fi_close() of the fabric");
}

static void run(struct side *side, bool is_server)
{
	if (is_server)
		listen_and_accept(side);
	else
		connect_to(side);
	printf("%s: buffers in the memory region of another one: %u\n", side->name,
	       register_buffers(side));
	fflush(stdout);
	for (size_t i = 0; i < BUFFERS; i++) {
		net.offer.addr[i] = (uintptr_t)side->data + buffers[i].at;
		net.offer.key[i] = fi_mr_key(net.mr[i]);
	}
	if (is_server)
		hand_over(side, &net.offer, sizeof(net.offer));
	else
		take(side, &net.offer, sizeof(net.offer));
	for (size_t i = 0; i < BUFFERS; i++)
		transfer(side, is_server, i, &operations);
	close_all(side);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: fi-transfer ADDRESS PORT\n");
		return 2;
	}
	net.address = argv[1];
	net.port = argv[2];
	return two_sides(run);
}
