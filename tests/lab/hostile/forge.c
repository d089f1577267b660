// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "forge.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tap.h"

#define UDP_ROCE 4791
#define PEER_QPN 0x1234
#define FLUSH_GLOBAL 1U
#define FLUSH_MR (1U << 4)
#define AETH_BYTES 4
#define ICRC_BYTES 4

struct frame {
	uint8_t dst[6], src[6];
	uint16_t type;
	uint8_t version, tos;
	uint16_t len, id, fragment;
	uint8_t ttl, protocol;
	uint16_t check;
	uint32_t saddr, daddr;
	uint16_t sport, dport, udp_len, udp_check;
	uint8_t opcode, flags;
	uint16_t pkey;
	uint32_t qpn, psn;
	uint8_t body[FORGE_BODY_MAX + ICRC_BYTES];
} __attribute__((packed));

#define IP_AT offsetof(struct frame, version)

struct reth {
	uint64_t va;
	uint32_t rkey, len;
} __attribute__((packed));

static uint32_t crc32(uint32_t crc, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return crc;
}

/*
 * The CRC covers the fields that routers do not change; the others count as ones. For a FLUSH rxe
 * starts the payload after the UDP header, because its table of headers has no payload offset for
 * it.
 */
static void set_icrc(struct frame *f, size_t body_len)
{
	static const uint8_t ones[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	size_t at = offsetof(struct frame, body) + body_len;
	struct frame masked = *f;
	uint32_t icrc;

	masked.tos = masked.ttl = 0xff;
	masked.check = masked.udp_check = 0xffff;
	masked.qpn |= htonl(0xff000000);
	icrc = crc32(crc32(~0U, ones, sizeof(ones)), (uint8_t *)&masked + IP_AT, at - IP_AT);
	if (f->opcode == RC_FLUSH)
		icrc = crc32(icrc, &f->opcode, at - offsetof(struct frame, opcode));
	/* in the order of its bytes, as a number of a little-endian machine */
	icrc = ~icrc;
	memcpy((uint8_t *)f + at, &icrc, sizeof(icrc));
}

static uint16_t ip_check(const struct frame *f)
{
	const uint8_t *at = (const uint8_t *)f + IP_AT;
	uint32_t sum = 0;

	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void name_interface(const char *name, struct ifreq *req)
{
	memset(req, 0, sizeof(*req));
	snprintf(req->ifr_name, sizeof(req->ifr_name), "%s", name);
}

void forger_open(struct forger *f, struct rig *rig)
{
	struct ifreq req;

	*f = (struct forger){ .fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) };
	need(f->fd >= 0, "a packet socket: %s", strerror(errno));
	name_interface("veth0", &req);
	need(!ioctl(f->fd, SIOCGIFHWADDR, &req), "veth0: %s", strerror(errno));
	memcpy(f->dst, req.ifr_hwaddr.sa_data, 6);
	name_interface("veth1", &req);
	need(!ioctl(f->fd, SIOCGIFINDEX, &req), "veth1: %s", strerror(errno));
	f->to = (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_ifindex = req.ifr_ifindex,
		.sll_halen = 6,
	};
	memcpy(f->to.sll_addr, f->dst, 6);
	memcpy(&f->address, rig->gid.raw + 12, 4);
	f->from = f->address;
	/* all addresses are those of this machine */
	put_file("/proc/sys/net/ipv4/conf/veth0/accept_local", "1");
}

void forger_close(struct forger *f)
{
	close(f->fd);
}

static void forge(const struct forger *f, uint8_t opcode, uint32_t qpn, uint32_t psn,
		  const void *body, size_t body_len)
{
	size_t len = offsetof(struct frame, body) + body_len + ICRC_BYTES;
	struct frame frame = {
		.type = htons(ETH_P_IP),
		.version = 0x45,
		.len = htons((uint16_t)(len - IP_AT)),
		.fragment = htons(0x4000),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = f->from,
		.daddr = f->address,
		.sport = htons(50000),
		.dport = htons(UDP_ROCE),
		.udp_len = htons((uint16_t)(len - offsetof(struct frame, sport))),
		.opcode = opcode,
		.pkey = htons(0xffff),
		.qpn = htonl(qpn),
		.psn = htonl(psn | 1U << 31),
	};

	memcpy(frame.dst, f->dst, 6);
	memcpy(frame.body, body, body_len);
	frame.check = ip_check(&frame);
	set_icrc(&frame, body_len);
	if (sendto(f->fd, &frame, len, 0, (const struct sockaddr *)&f->to, sizeof(f->to)) !=
	    (ssize_t)len)
		fatal("sending a packet: %s", strerror(errno));
}

static struct reth reth_of(uint64_t va, uint32_t len, uint32_t rkey)
{
	return (struct reth){ htobe64(va), htonl(rkey), htonl(len) };
}

void forge_read(const struct forger *f, uint32_t qpn, uint32_t psn, uint64_t va, uint32_t len,
		uint32_t rkey)
{
	struct reth reth = reth_of(va, len, rkey);

	forge(f, RC_READ_REQUEST, qpn, psn, &reth, sizeof(reth));
}

void forge_flush(const struct forger *f, uint32_t qpn, uint32_t psn, uint64_t va, uint32_t len,
		 uint32_t rkey)
{
	const struct {
		uint32_t type;
		struct reth reth;
	} __attribute__((packed)) body = {
		/* all of the MR; made visible, not persistent */
		htonl(FLUSH_MR | FLUSH_GLOBAL),
		reth_of(va, len, rkey),
	};

	forge(f, RC_FLUSH, qpn, psn, &body, sizeof(body));
}

long forge_duplicates(const struct rig *rig)
{
	char path[128], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path),
		 "/sys/class/infiniband/%s/ports/1/hw_counters/duplicate_request",
		 ibv_get_device_name(rig->ctx->device));
	f = fopen(path, "re");
	need(f && fgets(text, sizeof(text), f), "%s: %s", path, strerror(errno));
	fclose(f);
	return atol(text);
}

bool forge_duplicate_comes(const struct rig *rig, long before)
{
	double end = now_s() + soon();

	while (forge_duplicates(rig) == before && now_s() < end)
		sleep_ms(5);
	return forge_duplicates(rig) > before;
}

/* Makes the QP ready to receive. */
static void peer_connect(struct peer *p)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = PORT,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ | ACCESS_FLUSH_GLOBAL,
	};

	if (ibv_modify_qp(p->qp, &attr,
			  IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS))
		fatal("a QP with access: %s", strerror(errno));
	attr = (struct ibv_qp_attr){
		.qp_state = IBV_QPS_RTR,
		.path_mtu = IBV_MTU_256,
		.dest_qp_num = PEER_QPN,
		.max_dest_rd_atomic = 1,
		.ah_attr = {
			.is_global = 1,
			.port_num = PORT,
			.grh = {
				.dgid = p->rig->gid,
				.sgid_index = p->rig->gid_index,
				.hop_limit = 64,
			},
		},
	};
	memcpy(attr.ah_attr.grh.dgid.raw + 12, &p->forger.from, 4);
	if (ibv_modify_qp(p->qp, &attr,
			  IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
				  IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER))
		fatal("a QP ready to receive: %s", strerror(errno));
}

void peer_open(struct peer *p, struct rig *rig)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	struct ibv_qp_init_attr init = { .cap = { 1, 1, 1, 1, 0 }, .qp_type = IBV_QPT_RC };
	struct timeval patience = { .tv_usec = 100000 };
	struct ifreq req;

	*p = (struct peer){ .rig = rig };
	forger_open(&p->forger, rig);
	put_file("/proc/sys/net/ipv4/conf/veth1/accept_local", "1");
	name_interface("veth1", &req);
	need(!ioctl(p->forger.fd, SIOCGIFADDR, &req), "veth1: %s", strerror(errno));
	memcpy(&p->forger.from, &((struct sockaddr_in *)&req.ifr_addr)->sin_addr, 4);
	p->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));
	at.sll_ifindex = p->forger.to.sll_ifindex;
	if (p->fd < 0 || bind(p->fd, (struct sockaddr *)&at, sizeof(at)) ||
	    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		fatal("a packet socket: %s", strerror(errno));
	p->cq = ibv_create_cq(rig->ctx, 1, NULL, NULL, 0);
	init.send_cq = p->cq;
	init.recv_cq = p->cq;
	p->qp = p->cq ? ibv_create_qp(rig->pd, &init) : NULL;
	if (!p->qp)
		fatal("a QP: %s", strerror(errno));
	peer_connect(p);
}

void peer_close(struct peer *p)
{
	ibv_destroy_qp(p->qp);
	ibv_destroy_cq(p->cq);
	close(p->fd);
	forger_close(&p->forger);
}

bool peer_gets(struct peer *p, uint8_t opcode, uint32_t psn, const void *content, size_t len,
	       double seconds)
{
	const size_t at = offsetof(struct frame, opcode) - IP_AT;
	const size_t data = offsetof(struct frame, body) - IP_AT + AETH_BYTES;
	double end = now_s() + seconds;
	uint8_t packet[1024];
	uint32_t number;

	while (now_s() < end) {
		ssize_t got = recv(p->fd, packet, sizeof(packet), 0);

		if (got < (ssize_t)data)
			continue;
		memcpy(&number, packet + offsetof(struct frame, psn) - IP_AT, sizeof(number));
		number = ntohl(number) & 0xffffff;
		if (packet[at] != opcode || number != psn) {
			note("another answer: opcode %#x, number %u, syndrome %#x", packet[at],
			     number, packet[data - AETH_BYTES]);
			continue;
		}
		if (!content || ((size_t)got >= data + len && !memcmp(packet + data, content, len)))
			return true;
	}
	return false;
}
