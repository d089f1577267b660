// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * One RDMA WRITE of 8 MiB into an ordinary 4 KiB ODP MR, path MTU 1024.
 *
 * Linux 7.3's rxe puts every packet at the start of the page it goes to, so
 * that three quarters of each page are never written. Of the bytes sent here
 * (0..255 over and over) 6,266,880 come out wrong, the first at offset 1025.
 * With --expect-corruption just that is what passes: it shows that the test
 * sees the defect on a kernel that has it.
 */
#include <stdio.h>
#include <string.h>

#include "tap.h"
#include "xfer.h"

#define LEN (SZ_1M * 8)
#define MTU 1024
#define KNOWN_WRONG 6266880
#define KNOWN_FIRST 1025

static size_t count_wrong(const struct buf *buf, size_t *first)
{
	size_t wrong = 0;

	for (size_t i = LEN; i-- > 0;)
		if (buf->mem.addr[i] != buf->shadow[i]) {
			*first = i;
			wrong++;
		}
	return wrong;
}

static void count_up(struct buf *buf)
{
	for (size_t i = 0; i < LEN; i++)
		buf->mem.addr[i] = buf->shadow[i] = (uint8_t)i;
}

static void transfer(struct rig *rig, const struct mode *mode, bool unique, bool corrupt)
{
	struct buf near, far;
	size_t wrong, first = 0;
	struct outcome out;
	struct pair pair;
	struct xfer x = { .op = OP_WRITE, .near = &near, .far = &far, .len = LEN };

	buf_make(&near, rig, MEM_BASE, LEN, &mode_pinned);
	buf_make(&far, rig, MEM_BASE, LEN, mode);
	if (unique)
		buf_fill(&near, 0, LEN);
	else
		count_up(&near);
	pair_open(&pair, rig, MTU);
	out = xfer_run(&pair, &x);
	ok(out.near == IBV_WC_SUCCESS, "%s: the WRITE reports success", mode->name);
	wrong = count_wrong(&far, &first);
	note("%s: %zu wrong bytes, first at offset %zu", mode->name, wrong, first);
	is_u64(wrong, corrupt ? KNOWN_WRONG : 0, "%s: wrong bytes", mode->name);
	if (corrupt)
		is_u64(first, KNOWN_FIRST, "%s: offset of the first wrong byte", mode->name);
	pair_close(&pair);
	buf_close(&near);
	buf_close(&far);
}

int main(int argc, char **argv)
{
	bool corrupt = argc > 1 && !strcmp(argv[1], "--expect-corruption");
	struct rig rig;

	rig_open(&rig);
	transfer(&rig, &mode_pinned, false, false);
	transfer(&rig, &mode_odp, false, corrupt);
	if (!corrupt)
		transfer(&rig, &mode_odp, true, false);
	rig_close(&rig);
	return tap_done();
}
