// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * One RDMA WRITE of 8 MiB that an unpatched Linux 7.3 writes to the wrong place.
 *
 * rxe, an ordinary 4 KiB ODP MR, path MTU 1024: every packet goes to the start
 * of its page, so that three quarters of each page are never written. Of the
 * bytes sent here (0..255 over and over) 6,266,880 come out wrong, the first at
 * offset 1025.
 *
 * mlx5, an ODP MR of four huge pages with IBV_ACCESS_HUGETLB: every block after
 * the first resolves to the wrong memory. As many bytes are wrong, three
 * quarters less those that are zero, the first at offset 2,097,153.
 *
 * With --expect-corruption the test passes only with exactly this defect: it
 * shows that the test detects it on a kernel that has it.
 */
#include <stdio.h>
#include <string.h>

#include "tap.h"
#include "xfer.h"

#define LEN (SZ_1M * 8)
#define MTU 1024
#define KNOWN_WRONG 6266880

struct defect {
	const struct mode *mode;
	enum mem_kind kind;
	size_t first; /* offset of the first wrong byte */
};

static const struct defect defect_rxe = { &mode_odp, MEM_BASE, 1025 };
static const struct defect defect_mlx5 = { &mode_hugetlb_flag, MEM_HUGETLB, SZ_2M + 1 };

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

static void transfer(struct rig *rig, const struct defect *defect, const struct mode *mode,
		     bool unique, bool corrupt)
{
	struct buf near, far;
	size_t wrong, first = 0;
	struct outcome out;
	struct pair pair;
	struct xfer x = { .op = OP_WRITE, .near = &near, .far = &far, .len = LEN };

	buf_make(&near, rig, MEM_BASE, LEN, &mode_pinned);
	buf_make(&far, rig, defect->kind, LEN, mode);
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
		is_u64(first, defect->first, "%s: offset of the first wrong byte", mode->name);
	pair_close(&pair);
	buf_close(&near);
	buf_close(&far);
}

int main(int argc, char **argv)
{
	bool corrupt = argc > 1 && !strcmp(argv[1], "--expect-corruption");
	const struct defect *defect;
	struct rig rig;

	rig_open(&rig);
	defect = rig.is_rxe ? &defect_rxe : &defect_mlx5;
	transfer(&rig, defect, &mode_pinned, false, false);
	transfer(&rig, defect, defect->mode, false, corrupt);
	if (!corrupt)
		transfer(&rig, defect, defect->mode, true, false);
	rig_close(&rig);
	return tap_done();
}
