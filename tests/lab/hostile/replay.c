// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A peer that repeats a READ request with another range: a duplicate has to lie within the request
 * that it repeats, and a sum that wraps around does not. rxe only, whose packets can be forged:
 * they come in at the other end of the link.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostile.h"
#include "tap.h"

#define UDP_ROCE 4791
#define RC_READ_REQUEST 0x0c
#define LEN SZ_2M
#define AT (SZ_64K + 100)
#define N 4000

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
	uint64_t va;
	uint32_t rkey, dma_len;
	uint32_t icrc;
} __attribute__((packed));

#define IP_AT offsetof(struct frame, version)
#define ICRC_AT offsetof(struct frame, icrc)

static uint32_t crc32(uint32_t crc, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return crc;
}

/* Over all that does not change on the way; the rest counts as ones. */
static void set_icrc(struct frame *f)
{
	static const uint8_t ones[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	struct frame masked = *f;

	masked.tos = masked.ttl = 0xff;
	masked.check = masked.udp_check = 0xffff;
	masked.qpn |= htonl(0xff000000);
	/* in the order of its bytes, as a number of a little-endian machine */
	f->icrc =
		~crc32(crc32(~0U, ones, sizeof(ones)), (uint8_t *)&masked + IP_AT, ICRC_AT - IP_AT);
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

struct forger {
	int fd;
	struct sockaddr_ll to;
	uint8_t dst[6];
	uint32_t address;
};

static void name_interface(const char *name, struct ifreq *req)
{
	memset(req, 0, sizeof(*req));
	snprintf(req->ifr_name, sizeof(req->ifr_name), "%s", name);
}

static void forger_open(struct forger *f, struct rig *rig)
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
	/* who sends and who receives have the same address */
	put_file("/proc/sys/net/ipv4/conf/veth0/accept_local", "1");
}

static void forge_read(struct forger *f, const struct pair *pair, uint32_t psn, uint64_t va,
		       uint32_t len, uint32_t rkey)
{
	struct frame frame = {
		.type = htons(ETH_P_IP),
		.version = 0x45,
		.len = htons(sizeof(frame) - IP_AT),
		.fragment = htons(0x4000),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = f->address,
		.daddr = f->address,
		.sport = htons(50000),
		.dport = htons(UDP_ROCE),
		.udp_len = htons(sizeof(frame) - offsetof(struct frame, sport)),
		.opcode = RC_READ_REQUEST,
		.pkey = htons(0xffff),
		.qpn = htonl(pair->qp[FAR]->qp_num),
		.psn = htonl(psn | 1U << 31),
		.va = htobe64(va),
		.rkey = htonl(rkey),
		.dma_len = htonl(len),
	};

	memcpy(frame.dst, f->dst, 6);
	frame.check = ip_check(&frame);
	set_icrc(&frame);
	if (sendto(f->fd, &frame, sizeof(frame), 0, (struct sockaddr *)&f->to, sizeof(f->to)) !=
	    sizeof(frame))
		fatal("sending a packet: %s", strerror(errno));
}

static long duplicates(const struct rig *rig)
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

static void replayed(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	struct forger forger;
	struct scene s;

	if (!rig->is_rxe) {
		ok(true, "what this device gets cannot be forged");
		return;
	}
	scene_open(&s, rig, mode, mode == &mode_odp ? MEM_BASE : MEM_THP, LEN);
	scene_write(&s, 0, LEN, "before");
	forger_open(&forger, rig);
	for (size_t i = 0; i < 7; i++) {
		uint64_t va = buf_iova(&s.far, AT);
		const struct {
			uint64_t va;
			uint32_t len;
		} again[] = {
			{ va, N }, /* as it was: to see that packets arrive */
			{ va + 10, N - 20 }, { ~0ULL - 9, 10 + 100 }, { ~0ULL - N, N },
			{ ~0ULL, 1 },	     { va + N, 1 },	      { va - 1, N },
		};
		struct flight f;
		char what[64];
		long before;
		double end;
		bool late;

		pair_renew(&s.pair);
		/* one packet, the first of all: number 0 */
		flight_start(&f, &s.pair, OP_READ, &s.near, 0, &s.far, AT, N);
		flight_lands(&f, soon(), &late, "the request");
		before = duplicates(rig);
		forge_read(&forger, &s.pair, 0, again[i].va, again[i].len, s.far.mr->rkey);
		for (end = now_s() + soon(); duplicates(rig) == before && now_s() < end;)
			sleep_ms(5);
		snprintf(what, sizeof(what), "a duplicate of %#llx + %u",
			 (unsigned long long)again[i].va, again[i].len);
		ok(duplicates(rig) > before, "%s comes in", what);
		/* it neither ends the connection nor changes what is answered */
		flight_start(&f, &s.pair, OP_READ, &s.near, SZ_64K, &s.far, AT - 100, N);
		flight_lands(&f, soon(), &late, what);
		ok(buf_check_all(&s.near), "%s: every byte at the near end", what);
	}
	pair_renew(&s.pair);
	scene_write(&s, AT, N, "after all duplicates");
	scene_intact(&s, "after all duplicates");
	scene_close(&s);
	close(forger.fd);
}

int main(void)
{
	static const struct mode *const modes[] = { &mode_odp, &mode_strict_2m, &mode_2m_4k,
						    &mode_mixed_2m_4k };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		scenario(later(), replayed, modes[i], "replayed, %s", modes[i]->name);
	return tap_done();
}
