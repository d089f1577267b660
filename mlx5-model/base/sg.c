// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/sg.h"

#include <stdlib.h>

bool sg_add(struct sg *sg, uint8_t *host, size_t length)
{
	struct sg_piece *last = sg->count ? &sg->pieces[sg->count - 1] : NULL;

	if (!length)
		return true;
	if (last && (host ? last->host && last->host + last->length == host : !last->host)) {
		last->length += length;
		sg->length += length;
		return true;
	}
	if (sg->count == SG_PIECES_MAX)
		return false;
	if (sg->count == sg->room) {
		size_t room = sg->room ? sg->room * 2 : 16;
		struct sg_piece *pieces = realloc(sg->pieces, room * sizeof(*pieces));

		if (!pieces)
			return false;
		sg->pieces = pieces;
		sg->room = room;
	}
	sg->pieces[sg->count].host = host;
	sg->pieces[sg->count++].length = length;
	sg->length += length;
	return true;
}

bool sg_add_guest(struct dev *dev, struct sg *sg, uint64_t address, uint64_t length, bool write)
{
	while (length) {
		size_t n = length;
		uint8_t *host = guest_at(&dev->guest, address, &n, write);

		if (!host) {
			dev_bad_dma(dev, address);
			return false;
		}
		if (!sg_add(sg, host, n))
			return false;
		address += n;
		length -= n;
	}
	return true;
}

void sg_release(struct sg *sg)
{
	free(sg->pieces);
	memset(sg, 0, sizeof(*sg));
}

/* A position in a list: piece and offset in it */
struct sg_cursor {
	const struct sg *sg;
	size_t piece;
	size_t offset;
};

static struct sg_cursor sg_seek(const struct sg *sg, uint64_t skip)
{
	struct sg_cursor c = { .sg = sg };

	while (c.piece < sg->count && skip >= sg->pieces[c.piece].length)
		skip -= sg->pieces[c.piece++].length;
	c.offset = skip;
	return c;
}

static uint8_t *sg_next(struct sg_cursor *c, size_t *length)
{
	const struct sg_piece *piece = &c->sg->pieces[c->piece];
	uint8_t *host = piece->host ? piece->host + c->offset : NULL;

	if (*length > piece->length - c->offset)
		*length = piece->length - c->offset;
	return host;
}

static void sg_advance(struct sg_cursor *c, size_t length)
{
	c->offset += length;
	if (c->offset == c->sg->pieces[c->piece].length) {
		c->piece++;
		c->offset = 0;
	}
}

void sg_copy(const struct sg *to, uint64_t skip, const struct sg *from)
{
	struct sg_cursor t = sg_seek(to, skip), f = sg_seek(from, 0);

	while (t.piece < to->count && f.piece < from->count) {
		size_t n = SIZE_MAX;
		uint8_t *out, *in;

		sg_next(&t, &n);
		in = sg_next(&f, &n);
		out = sg_next(&t, &n);
		/* the two may overlap */
		if (out && in)
			memmove(out, in, n);
		else if (out)
			memset(out, 0, n);
		sg_advance(&t, n);
		sg_advance(&f, n);
	}
}

void sg_put(const struct sg *to, uint64_t skip, const void *data, size_t length)
{
	struct sg_cursor t = sg_seek(to, skip);
	const uint8_t *in = data;

	while (length && t.piece < to->count) {
		size_t n = length;
		uint8_t *out = sg_next(&t, &n);

		if (out)
			memcpy(out, in, n);
		sg_advance(&t, n);
		in += n;
		length -= n;
	}
}
