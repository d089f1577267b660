/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Tables of ODP umems of devices that do DMA. */
#ifndef UMEM_ODP_DMA_H
#define UMEM_ODP_DMA_H

#include <linux/hmm-dma.h>
#include <linux/types.h>

struct device;

/* Entries of a piece: 16 MiB of memory in pages of 4 KiB, 32 KiB of entries. */
#define ODP_DMA_PIECE_SHIFT	12
#define ODP_DMA_PIECE		BIT(ODP_DMA_PIECE_SHIFT)

/**
 * struct ib_odp_dma_table - the entries of an ODP umem, in pieces
 * @shift: log2 of the bytes that an entry stands for
 * @nr: entries of all pieces
 * @nr_pieces: pieces
 * @bytes: memory of the entries of the pieces that there are
 * @piece: each piece, or NULL where nothing was ever mapped
 */
struct ib_odp_dma_table {
	unsigned int shift;
	size_t nr;
	size_t nr_pieces;
	u64 bytes;
	struct hmm_dma_map *piece[] __counted_by(nr_pieces);
};

struct ib_odp_dma_table *ib_odp_dma_table_create(struct device *dev,
						 unsigned int shift, size_t nr);
void ib_odp_dma_table_destroy(struct device *dev,
			      struct ib_odp_dma_table *table);
struct hmm_dma_map *ib_odp_dma_piece_alloc(struct device *dev,
					   const struct ib_odp_dma_table *table,
					   size_t idx);
void ib_odp_dma_piece_free(struct device *dev, struct hmm_dma_map *piece);
bool ib_odp_dma_piece_add(struct ib_odp_dma_table *table, size_t idx,
			  struct hmm_dma_map *piece);
size_t ib_odp_dma_missing(const struct ib_odp_dma_table *table, size_t idx,
			  size_t end);
unsigned long *ib_odp_dma_entry(const struct ib_odp_dma_table *table,
				size_t idx);
size_t ib_odp_dma_next(const struct ib_odp_dma_table *table, size_t idx,
		       size_t end);

#endif
