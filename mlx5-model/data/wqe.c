// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "data/wqe.h"

#include "base/queue.h"
#include "cmd/qp.h"

#define WQE_CONTROL 16
#define WQE_UNITS_MASK 0x3f
#define WQE_UNITS_RESERVED 0xc0
#define WQE_FLAGS_RESERVED 0x11
#define WQE_FLAG_SOLICITED 2
#define WQE_FLAG_SIGNALED 8
#define WQE_BLOCK (1u << QP_BLOCK_SHIFT)
#define AV_SHORT 16
#define AV_LONG 48
#define AV_EXTENDED (1u << 31)
#define AV_GRH (1u << 30)
#define SEGMENT_INLINE (1u << 31)
#define SEGMENT_INLINE_LENGTH 0x3ff
#define SEGMENT_SIZE 16
#define SEGMENT_ZERO_MEANS (1ull << 31)

/* The send queue is a ring of blocks; a WQE may wrap around. */
static bool wqe_read_blocks(struct dev *dev, const struct qp *qp, uint16_t index, uint8_t *data,
			    size_t length)
{
	uint64_t size = 1ull << (qp->log_sq_size + QP_BLOCK_SHIFT);
	uint64_t offset = ((uint64_t)index << QP_BLOCK_SHIFT) & (size - 1);
	size_t n = length < size - offset ? length : size - offset;

	return length <= size && queue_read(dev, &qp->queue, qp->sq_offset + offset, data, n) &&
	       queue_read(dev, &qp->queue, qp->sq_offset, data + n, length - n);
}

bool wqe_read(struct dev *dev, const struct qp *qp, struct wqe *wqe)
{
	const uint8_t *c = wqe->data;

	wqe->index = qp->sq_head;
	wqe->blocks = 1;
	wqe->opcode = WQE_NOP;
	if (!wqe_read_blocks(dev, qp, wqe->index, wqe->data, WQE_CONTROL))
		return false;
	wqe->opcode = c[3];
	wqe->modifier = c[0];
	wqe->length = (get_be32(c + 4) & WQE_UNITS_MASK) * WQE_UNIT;
	wqe->signaled = c[11] & WQE_FLAG_SIGNALED;
	wqe->solicited = c[11] & WQE_FLAG_SOLICITED;
	wqe->stream = get_be16(c + 9);
	wqe->immediate = get_be32(c + 12);
	wqe->offset = WQE_CONTROL;
	if (wqe->length < WQE_CONTROL)
		return false;
	wqe->blocks = (wqe->length + WQE_BLOCK - 1) / WQE_BLOCK;
	return wqe_read_blocks(dev, qp, wqe->index, wqe->data, wqe->length);
}

void wqe_check(struct dev *dev, const struct qp *qp, const struct wqe *wqe)
{
	const uint8_t *c = wqe->data;

	if (get_be32(c + 4) & WQE_UNITS_RESERVED || (!qp->streams && get_be16(c + 9)) ||
	    c[11] & WQE_FLAGS_RESERVED)
		strict_report(dev, "QP %#x: WQE %#x: reserved bits set: units %#x, %#x, flags %#x",
			      qp->number, wqe->index, c[7], get_be16(c + 9), c[11]);
	if (get_be16(c + 1) != wqe->index || get_be32(c + 4) >> 8 != qp->number)
		strict_report(dev, "QP %#x: WQE %#x: is labelled WQE %#x of QP %#x", qp->number,
			      wqe->index, get_be16(c + 1), get_be32(c + 4) >> 8);
}

const uint8_t *wqe_take(struct wqe *wqe, size_t size)
{
	const uint8_t *data = wqe->data + wqe->offset;

	if (size > wqe->length - wqe->offset)
		return NULL;
	wqe->offset += size;
	return data;
}

bool wqe_take_address(struct wqe *wqe, struct wqe_address *address)
{
	const uint8_t *av = wqe_take(wqe, AV_SHORT), *more;

	if (!av)
		return false;
	memset(address, 0, sizeof(*address));
	address->key = get_be64(av);
	address->qpn = get_be32(av + 8) & 0xffffff;
	address->service_level = av[12] & 0xf;
	address->lid = get_be16(av + 14);
	if (!(get_be32(av + 8) & AV_EXTENDED))
		return true;
	more = wqe_take(wqe, AV_LONG - AV_SHORT);
	if (!more)
		return false;
	address->traffic_class = more[10];
	address->hop_limit = more[11];
	address->grh = get_be32(more + 12) & AV_GRH;
	address->source_gid = get_be32(more + 12) >> 20 & 0xff;
	address->flow_label = get_be32(more + 12) & 0xfffff;
	memcpy(address->gid, more + 16, 16);
	return true;
}

bool wqe_next_segment(const uint8_t *data, size_t length, size_t *offset,
		      struct wqe_segment *segment)
{
	const uint8_t *s = data + *offset;
	uint32_t count;
	size_t size;

	memset(segment, 0, sizeof(*segment));
	if (length - *offset < 4)
		return false;
	count = get_be32(s);
	if (count & SEGMENT_INLINE) {
		segment->length = count & SEGMENT_INLINE_LENGTH;
		segment->inline_data = s + 4;
		size = (4 + segment->length + WQE_UNIT - 1) / WQE_UNIT * WQE_UNIT;
		if (4 + segment->length > length - *offset)
			return false;
		*offset = size < length - *offset ? *offset + size : length;
		return true;
	}
	if (length - *offset < SEGMENT_SIZE)
		return false;
	segment->length = count ? count : SEGMENT_ZERO_MEANS;
	segment->key = get_be32(s + 4);
	segment->address = get_be64(s + 8);
	*offset += SEGMENT_SIZE;
	return true;
}

bool wqe_segment_ends_list(const struct wqe_segment *segment)
{
	return !segment->inline_data && segment->key == KEY_TERMINATE &&
	       segment->length == SEGMENT_ZERO_MEANS;
}
