// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Entries of the tables of devices that do DMA, and of the mkeys of mlx5. */
#include "kernel.h"

/* of the CPU: that of a page of page table entries */
#define PMD_SHIFT	(2 * PAGE_SHIFT - 3)
#define PMD_SIZE	BIT(PMD_SHIFT)
#define ilog2(x)	(fls64(x) - 1)

#define ODP_DMA_PIECE_SHIFT	12
#define ODP_DMA_PIECE		BIT(ODP_DMA_PIECE_SHIFT)

struct ib_odp_dma_table {
	unsigned int shift;
	size_t nr;
	size_t nr_pieces;
};

#define MLX5R_MIXED_SIZES 3

struct mlx5r_odp_mixed {
	unsigned int shift[MLX5R_MIXED_SIZES];
	unsigned int entry_shift;
};

#include "source.c"

/* Each entry of a table is in a piece, and the pieces have as many as the table. */
void pieces(void)
{
	struct ib_odp_dma_table table;
	size_t idx;

	assume(table.nr && table.nr <= BIT(BITS_PER_LONG - PAGE_SHIFT));
	table.nr_pieces = DIV_ROUND_UP(table.nr, ODP_DMA_PIECE);
	assume(idx < table.nr);
	check(idx >> ODP_DMA_PIECE_SHIFT < table.nr_pieces);
	check((idx & (ODP_DMA_PIECE - 1)) < odp_piece_entries(&table, idx >> ODP_DMA_PIECE_SHIFT));
	check(odp_piece_entries(&table, idx >> ODP_DMA_PIECE_SHIFT) <= ODP_DMA_PIECE);
}

/* The sizes of an MR of several sizes: some of those accepted, the largest first. */
void mixed(void)
{
	struct mlx5r_odp_mixed mixed = {};
	unsigned int i, n = 0;
	u64 sizes;

	/* sizes as mlx5 reports them: pages of the system to 1 GiB */
	assume(sizes && !(sizes & ~GENMASK_ULL(30, PAGE_SHIFT)) && !is_power_of_2(sizes));
	mlx5r_mixed_choose(&mixed, sizes);
	for (i = 0; i < MLX5R_MIXED_SIZES && mixed.shift[i]; i++, n++) {
		check(sizes & BIT_ULL(mixed.shift[i]));
		check(!i || mixed.shift[i] < mixed.shift[i - 1]);
	}
	check(n >= 2);
	check(mixed.shift[0] == fls64(sizes) - 1);
	check(mixed.shift[n - 1] == __ffs64(sizes));
	/* An entry holds pages of the smallest size, and a larger block has entries of its own. */
	check(mixed.entry_shift > mixed.shift[n - 1] && mixed.entry_shift == mixed.shift[n - 2]);
}
