/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* A pinned buf at the near end, a buf under test at the far end, an RC pair between. */
#ifndef LAB_SCENE_H
#define LAB_SCENE_H

#include "xfer.h"

/* Bytes of a piece: over a boundary of 64 KiB, with a tail. */
#define PIECE (SZ_64K + 4097)

struct scene {
	struct rig *rig;
	struct pair pair;
	struct buf near;
	struct buf far;
	char name[64]; /* mode and memory of the far buf */
};

/* The far buf is not touched by the CPU. */
void scene_open(struct scene *scene, struct rig *rig, const struct mode *mode, enum mem_kind kind,
		size_t len);

/* Without an MR: for tests of the registration itself. */
void scene_open_unregistered(struct scene *scene, struct rig *rig, enum mem_kind kind, size_t len);

void scene_close(struct scene *scene);

/* Transfers between the same offset of both bufs; each is a test point. */
bool scene_write(struct scene *scene, size_t at, size_t len, const char *what);
bool scene_read(struct scene *scene, size_t at, size_t len, const char *what);
/* Pieces of the whole MR: over each boundary of 2 MiB, and one in the middle of each block. */
bool scene_write_pieces(struct scene *scene, const char *what);
bool scene_read_pieces(struct scene *scene, const char *what);

bool scene_write_fails(struct scene *scene, size_t at, size_t len, const char *what);
bool scene_read_fails(struct scene *scene, size_t at, size_t len, const char *what);

/* A WRITE or READ of a piece between the start of the near buf and @at, and how it ends. */
enum ibv_wc_status scene_access(struct scene *scene, const struct ibv_mr *mr, const uint8_t *at,
				enum ibv_wr_opcode opcode);

/*
 * Test points: bytes written to @at and read back, in memory below @mr that has no buf because
 * it is too large for a copy.
 */
void scene_spot(struct scene *scene, struct ibv_mr *mr, uint8_t *at);

/* Test points on what the far MR is made of. */
bool scene_shift(struct scene *scene, uint32_t want, const char *what);
bool scene_intact(struct scene *scene, const char *what);

#endif
