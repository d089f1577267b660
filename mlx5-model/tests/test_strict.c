// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Strict mode reports errors, and does not report the sequences of the kernel's driver. */
#include "unit.h"

#include "base/caps.h"
#include "data/umr.h"
#include "stand.h"
#include "vfio/pci.h"

#define FLAG_OFFSET 0x10
#define FLAG_FAIL_IF_USED 0x20
#define FLAG_FAIL_IF_FREE 0x40
#define FLAG_INLINE 0x80

#define MASK_LENGTH (1ull << 0)
#define MASK_PAGE_SIZE (1ull << 1)
#define MASK_START (1ull << 6)
#define MASK_FREE (1ull << 29)
#define MASK_TRANSLATION (MASK_LENGTH | MASK_PAGE_SIZE | MASK_START)

#define BYTES (8u << 20)
#define TABLE_4K (BYTES / 4096 * 8)

struct fixture {
	struct stand b;
	uint64_t memory; /* BYTES, aligned to them */
	uint64_t *reports;
};

static int setup(void **state)
{
	static struct fixture f;

	stand_init(&f.b, &(struct dev_options){ .strict = true });
	f.memory = stand_alloc(&f.b, BYTES, BYTES);
	f.reports = &f.b.dev.stats.strict_reports;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stand_destroy(&f->b);
	return 0;
}

/* The number of reports since the last call */
static uint64_t reported(struct fixture *f)
{
	static uint64_t seen;
	uint64_t n = *f->reports - (*f->reports < seen ? 0 : seen);

	seen = *f->reports;
	return n;
}

/* A UMR of the kernel's queue. shift: of the page size, 0 to set neither place nor size */
static enum syndrome umr(struct fixture *f, uint32_t key, unsigned int flags, uint64_t mask,
			 unsigned int shift, uint64_t offset, const uint8_t *list, size_t length)
{
	struct xlate_origin origin = { .any_pd = true };
	uint8_t wqe[48 + IFC_SIZE(mkc) + 4096] = { 0 };
	enum syndrome syndrome;
	struct xlate_miss miss;

	wqe[0] = flags | FLAG_OFFSET | FLAG_INLINE;
	put_be16(wqe + 4, length / 16);
	put_be16(wqe + 6, offset / 16);
	put_be64(wqe + 8, mask);
	IFC_SET(mkc, wqe + 48, log_page_size, shift);
	IFC_SET(mkc, wqe + 48, start_addr, f->memory);
	IFC_SET(mkc, wqe + 48, len, BYTES);
	if (length)
		memcpy(wqe + 48 + IFC_SIZE(mkc), list, length);
	umr_execute(&f->b.dev, &origin, key, wqe, 48 + IFC_SIZE(mkc) + length, &syndrome, &miss);
	return syndrome;
}

static enum syndrome write_entries(struct fixture *f, uint32_t key, uint64_t offset,
				   const uint8_t *list, size_t length)
{
	return umr(f, key, FLAG_FAIL_IF_FREE, 0, 0, offset, list, length);
}

static enum syndrome resize(struct fixture *f, uint32_t key, unsigned int shift)
{
	return umr(f, key, FLAG_FAIL_IF_FREE, MASK_TRANSLATION, shift, 0, NULL, 0);
}

/* An on-demand key of the memory with a table for pages of 4 KiB; list: its first entries */
static uint32_t make_key(struct fixture *f, unsigned int shift, const uint8_t *list, size_t length)
{
	return stand_create_mkey(&f->b, &(struct stand_mkey){
		.mode = MKEY_MTT, .page_shift = shift, .start = f->memory, .length = BYTES,
		.odp = true, .list = list, .list_length = length, .table_length = TABLE_4K,
	});
}

/* Takes a key out of use */
static void retire(struct fixture *f, uint32_t key)
{
	struct mkey *mkey = mkey_get(&f->b.dev, key);

	IFC_SET(mkc, mkey->context, free, 1);
	mkey_refresh(mkey);
}

static void put_entries(struct fixture *f, uint8_t *list, unsigned int count, unsigned int shift)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		put_be64(list + 8 * i, (f->memory + ((uint64_t)i << shift)) | 3);
}

/* A UMR may write up to the end of the table's last unit: hardware has no memory after it */
static void test_beyond_table(void **state)
{
	struct fixture *f = *state;
	uint32_t key = stand_register(&f->b, f->memory, 10 * 4096, 12, false);
	uint8_t list[192] = { 0 };

	reported(f);
	assert_int_equal(write_entries(f, key, 64, list, 64), SYNDROME_OK);
	assert_int_equal(write_entries(f, key, 0, list, 128), SYNDROME_OK);
	assert_int_equal(reported(f), 0);
	assert_int_equal(write_entries(f, key, 0, list, 192), SYNDROME_MW_BIND);
	assert_int_equal(reported(f), 1);
	assert_int_equal(write_entries(f, key, 128, list, 64), SYNDROME_MW_BIND);
	assert_int_equal(reported(f), 1);
	assert_int_equal(write_entries(f, key, 16 * 65532, list, 64), SYNDROME_MW_BIND);
	assert_int_equal(reported(f), 1);
	/* not strict: no report, and no success either */
	f->b.dev.options.strict = false;
	assert_int_equal(write_entries(f, key, 128, list, 64), SYNDROME_MW_BIND);
	assert_int_equal(reported(f), 0);
}

static void test_units(void **state)
{
	struct fixture *f = *state;
	uint32_t key = make_key(f, 12, NULL, 0);
	uint8_t list[64] = { 0 };

	reported(f);
	write_entries(f, key, 32, list, 64);
	assert_int_equal(reported(f), 1);
	write_entries(f, key, 64, list, 48);
	assert_int_equal(reported(f), 1);
	write_entries(f, key, 64, list, 64);
	assert_int_equal(reported(f), 0);
}

/* The page size of a key changes while entries are reachable with the old or the new size */
static void test_resize(void **state)
{
	struct fixture *f = *state;
	uint8_t list[64] = { 0 }, none[64] = { 0 };
	uint32_t key;

	put_entries(f, list, 4, 21);
	key = make_key(f, 21, list, 64);
	reported(f);
	resize(f, key, 12);
	assert_int_equal(reported(f), 1);
	/* the same again, without them */
	key = make_key(f, 21, list, 64);
	write_entries(f, key, 0, none, 64);
	resize(f, key, 12);
	assert_int_equal(reported(f), 0);
	/* entries that only the smaller pages have may stay, in both directions */
	put_entries(f, list, 8, 12);
	write_entries(f, key, 64, list, 64);
	resize(f, key, 21);
	resize(f, key, 12);
	assert_int_equal(reported(f), 0);
	/* the size that it has already */
	resize(f, key, 12);
	assert_int_equal(reported(f), 0);
	/* a key that is not in use */
	retire(f, key);
	assert_int_equal(umr(f, key, 0, 0, 0, 0, list, 64), SYNDROME_OK);
	assert_int_equal(umr(f, key, 0, MASK_TRANSLATION, 21, 0, NULL, 0), SYNDROME_OK);
	assert_int_equal(reported(f), 0);
}

/* As for a dmabuf MR: the driver clears the entries of the largest size, then sets the others */
static void test_resize_as_dmabuf(void **state)
{
	struct fixture *f = *state;
	uint8_t list[4096], none[64] = { 0 };
	uint32_t key;

	put_entries(f, list, 512, 12);
	key = make_key(f, 12, list, sizeof(list));
	reported(f);
	write_entries(f, key, 0, none, 64);
	resize(f, key, 23);
	put_entries(f, list, 512, 14);
	write_entries(f, key, 64, list + 64, sizeof(list) - 64);
	resize(f, key, 14);
	write_entries(f, key, 0, list, 64);
	assert_int_equal(reported(f), 0);
}

static void test_sizes(void **state)
{
	struct fixture *f = *state;
	uint8_t *caps = f->b.dev.caps_general_2;
	uint32_t key = make_key(f, 12, NULL, 0);

	reported(f);
	resize(f, key, 31);
	assert_int_equal(reported(f), 0);
	resize(f, key, 11);
	assert_int_equal(reported(f), 2); /* and the table is too small for that */
	make_key(f, 50, NULL, 0);
	assert_int_equal(reported(f), 1);
	IFC_SET(cmd_hca_cap_2, caps, log_min_mkey_entity_size, 13);
	resize(f, key, 12);
	assert_int_equal(reported(f), 1);
	resize(f, key, 13);
	assert_int_equal(reported(f), 0);
	/* the limit of tables of pages, not that of KSMs */
	IFC_SET(cmd_hca_cap_2, caps, max_mkey_log_entity_size_mtt, 21);
	IFC_SET(cmd_hca_cap_2, caps, max_mkey_log_entity_size_fixed_buffer, 30);
	resize(f, key, 21);
	assert_int_equal(reported(f), 0);
	resize(f, key, 22);
	assert_int_equal(reported(f), 1);
}

static void test_small_table(void **state)
{
	struct fixture *f = *state;
	struct stand_mkey m = {
		.mode = MKEY_MTT, .page_shift = 21, .start = f->memory, .length = BYTES,
		.odp = true, .table_length = 32,
	};
	uint32_t key;

	reported(f);
	key = stand_create_mkey(&f->b, &m);
	assert_int_equal(reported(f), 0);
	resize(f, key, 20);
	assert_int_equal(reported(f), 1);
	/* in one more block, as it does not start at the beginning of one */
	m.start += 4096;
	stand_create_mkey(&f->b, &m);
	assert_int_equal(reported(f), 1);
	m.length = UINT64_MAX;
	stand_create_mkey(&f->b, &m);
	assert_int_equal(reported(f), 1);
}

/* Entries left from an earlier use of a key have to be rewritten before the next use */
static void test_leftovers(void **state)
{
	struct fixture *f = *state;
	uint8_t list[128] = { 0 };
	uint32_t key;
	unsigned int i;

	put_entries(f, list, 16, 12);
	key = make_key(f, 12, list, 128);
	reported(f);
	for (i = 0; i < 2; i++) {
		retire(f, key);
		/* free: the mask selects it, the context segment says 0 */
		assert_int_equal(umr(f, key, FLAG_FAIL_IF_USED, MASK_TRANSLATION | MASK_FREE, 12, 0,
				     list, i ? 128 : 64),
				 SYNDROME_OK);
		assert_int_equal(reported(f), i ? 0 : 1);
	}
}

/* Reads or writes the memory through an indirect key with one entry, that of another key */
static enum xlate_result through(struct fixture *f, enum mkey_mode mode, uint32_t child,
				 enum xlate_access access)
{
	struct xlate_origin origin = { .pd = f->b.pd, .qpn = 5 };
	uint8_t list[16] = { 0 };
	struct stand_mkey m = {
		.mode = mode, .page_shift = 12, .start = f->memory, .length = 4096, .list = list,
		.list_length = sizeof(list),
	};
	struct sg sg = { 0 };
	struct xlate_miss miss;
	enum xlate_result result;

	put_be32(list, 4096);
	put_be32(list + 4, child);
	put_be64(list + 8, f->memory);
	result = xlate(&f->b.dev, &origin, stand_create_mkey(&f->b, &m), f->memory, 64, access,
		       &sg, &miss);
	sg_release(&sg);
	return result;
}

#define CHANGE(key, field, value)                                            \
	do {                                                                 \
		struct mkey *m_ = mkey_get(&f->b.dev, key);                  \
                                                                             \
		IFC_SET(mkc, m_->context, field, value);                     \
		mkey_refresh(m_);                                            \
	} while (0)

/* An entry of another key does not extend the rights or the protection domain of a key */
static void test_children(void **state)
{
	struct fixture *f = *state;
	uint32_t child = stand_register(&f->b, f->memory, BYTES, 12, true);

	reported(f);
	assert_int_equal(through(f, MKEY_KSM, child, XLATE_REMOTE_WRITE), XLATE_OK);
	/* as the MR of a memory window: without the remote rights that the window has */
	CHANGE(child, rr, 0);
	CHANGE(child, rw, 0);
	assert_int_equal(through(f, MKEY_KSM, child, XLATE_REMOTE_WRITE), XLATE_OK);
	assert_int_equal(reported(f), 0);
	CHANGE(child, lw, 0);
	assert_int_equal(through(f, MKEY_KSM, child, XLATE_REMOTE_READ), XLATE_OK);
	assert_int_equal(through(f, MKEY_KSM, child, XLATE_REMOTE_WRITE), XLATE_DENIED);
	assert_int_equal(reported(f), 1);
	CHANGE(child, lr, 0);
	assert_int_equal(through(f, MKEY_KSM, child, XLATE_LOCAL_READ), XLATE_DENIED);
	assert_int_equal(reported(f), 1);
	CHANGE(child, lr, 1);
	CHANGE(child, qpn, 6);
	assert_int_equal(through(f, MKEY_KSM, child, XLATE_LOCAL_READ), XLATE_DENIED);
	CHANGE(child, qpn, 5);
	assert_int_equal(through(f, MKEY_KSM, child, XLATE_LOCAL_READ), XLATE_OK);
	assert_int_equal(reported(f), 1);
	CHANGE(child, pd, stand_number(&f->b, MLX5_CMD_OP_ALLOC_PD));
	assert_int_equal(through(f, MKEY_KSM, child, XLATE_LOCAL_READ), XLATE_DENIED);
	assert_int_equal(reported(f), 1);
	/* users make the other kind, and get an error */
	assert_int_equal(through(f, MKEY_KLM, child, XLATE_LOCAL_READ), XLATE_DENIED);
	assert_int_equal(reported(f), 0);
	CHANGE(child, pd, f->b.pd);
	retire(f, child);
	assert_int_equal(through(f, MKEY_KSM, child, XLATE_LOCAL_READ), XLATE_DENIED);
	assert_int_equal(reported(f), 1);
}

static uint8_t destroy(struct fixture *f, uint16_t opcode, uint32_t number)
{
	return stand_destroy_object(&f->b, opcode, number);
}

/* An object that another one refers to cannot be destroyed; the status is that of firmware */
static void test_lifetimes(void **state)
{
	struct fixture *f = *state;
	struct stand *b = &f->b;
	struct stand_cq cq = stand_create_cq(b);
	struct stand_srq srq = stand_create_srq(b, &cq);
	struct stand_qp qp = stand_create_qp_srq(b, &cq, QP_XRC, &srq);
	const uint16_t destroy_qp = MLX5_CMD_OP_DESTROY_QP;

	assert_int_equal(destroy(f, MLX5_CMD_OP_DEALLOC_PD, b->pd), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DEALLOC_XRCD, b->xrcd), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DEALLOC_UAR, b->uar), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DESTROY_EQ, b->completion_eq),
			 CMD_BAD_RESOURCE_STATE);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DESTROY_CQ, cq.number), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DESTROY_SRQ, srq.number), CMD_BAD_RESOURCE_STATE);
	/* from the other end */
	assert_int_equal(destroy(f, destroy_qp, qp.number), CMD_OK);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DEALLOC_XRCD, b->xrcd), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DESTROY_CQ, cq.number), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DESTROY_SRQ, srq.number), CMD_OK);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DEALLOC_XRCD, b->xrcd), CMD_OK);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DESTROY_CQ, cq.number), CMD_OK);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DESTROY_EQ, b->completion_eq), CMD_OK);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DEALLOC_PD, b->pd), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DESTROY_MKEY, b->pa_key >> 8), CMD_OK);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DEALLOC_PD, b->pd), CMD_OK);
	assert_int_equal(destroy(f, MLX5_CMD_OP_DEALLOC_PD, b->pd), CMD_BAD_RESOURCE);
}

static uint8_t create_qp(struct fixture *f, uint32_t pd, uint32_t cqn, uint32_t uar)
{
	uint8_t in[IFC_SIZE(create_qp_in)] = { 0 }, out[IFC_SIZE(create_qp_out)];
	uint8_t *context = IFC_AT(create_qp_in, in, qpc);

	IFC_SET(create_qp_in, in, opcode, MLX5_CMD_OP_CREATE_QP);
	IFC_SET(qpc, context, st, QP_RC);
	IFC_SET(qpc, context, rq_type, 3);
	IFC_SET(qpc, context, no_sq, !uar);
	IFC_SET(qpc, context, pd, pd);
	IFC_SET(qpc, context, cqn_snd, cqn);
	IFC_SET(qpc, context, uar_page, uar);
	IFC_SET(qpc, context, log_sq_size, 0);
	return stand_command(&f->b, in, sizeof(in), out, sizeof(out));
}

/* No object is created with a reference to a missing one */
static void test_references(void **state)
{
	struct fixture *f = *state;
	struct stand *b = &f->b;
	uint8_t in[IFC_SIZE(create_mkey_in)] = { 0 }, out[IFC_SIZE(create_mkey_out)];
	struct stand_cq cq = stand_create_cq(b);

	assert_int_equal(create_qp(f, b->pd, cq.number, 0), CMD_OK);
	assert_int_equal(create_qp(f, b->pd, 0, 0), CMD_OK);
	assert_int_equal(create_qp(f, b->pd + 1, cq.number, 0), CMD_BAD_RESOURCE);
	assert_int_equal(create_qp(f, b->pd, cq.number + 1, 0), CMD_BAD_RESOURCE);
	assert_int_equal(create_qp(f, b->pd, cq.number, b->uar + 1), CMD_BAD_RESOURCE);
	IFC_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	IFC_SET(create_mkey_in, in, memory_key_mkey_entry.pd, b->pd + 1);
	assert_int_equal(stand_command(b, in, sizeof(in), out, sizeof(out)), CMD_BAD_RESOURCE);
	IFC_SET(create_mkey_in, in, memory_key_mkey_entry.pd, b->pd);
	assert_int_equal(stand_command(b, in, sizeof(in), out, sizeof(out)), CMD_OK);
}

/* A UMR of fields without the capability fails, and so does an injected failure */
static void test_umr_announced(void **state)
{
	static const struct {
		const char *caps;
		uint64_t mask;
	} cases[] = {
		{ "umr_modify_entity_size_disabled=1", MASK_PAGE_SIZE },
		{ "umr_modify_atomic_disabled=1", 1ull << 21 },
		{ "relaxed_ordering_write_umr=0", 1ull << 25 },
		{ "relaxed_ordering_read_umr=0", 1ull << 47 },
		{ "umr_log_entity_size_5=0", 1ull << 42 },
		{ NULL, 1ull << 2 },
	};
	struct fixture *f = *state;
	uint32_t key = make_key(f, 12, NULL, 0);
	struct cap_setting other;
	uint8_t list[64] = { 0 };
	unsigned int i;

	assert_true(caps_parse("umr_log_entity_size_5=1", &other));
	caps_set(&f->b.dev, &other);
	assert_true(caps_parse("relaxed_ordering_write_umr=1", &other));
	caps_set(&f->b.dev, &other);
	assert_true(caps_parse("relaxed_ordering_read_umr=1", &other));
	caps_set(&f->b.dev, &other);
	reported(f);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(umr(f, key, 0, cases[i].mask, 12, 0, NULL, 0),
				 cases[i].caps ? SYNDROME_OK : SYNDROME_MW_BIND);
		if (!cases[i].caps)
			continue;
		assert_true(caps_parse(cases[i].caps, &other));
		caps_set(&f->b.dev, &other);
		assert_int_equal(umr(f, key, 0, cases[i].mask, 12, 0, NULL, 0), SYNDROME_MW_BIND);
	}
	assert_int_equal(reported(f), i);
	f->b.dev.options.fail_count = 1;
	f->b.dev.options.fails[0] = (struct fail_setting){ .name = DEV_FAIL_UMR, .count = 2 };
	assert_int_equal(write_entries(f, key, 0, list, 64), SYNDROME_OK);
	assert_int_equal(write_entries(f, key, 0, list, 64), SYNDROME_MW_BIND);
	assert_int_equal(write_entries(f, key, 0, list, 64), SYNDROME_OK);
	/* an injected failure is not reported */
	assert_int_equal(reported(f), 0);
}

static void ring(struct fixture *f, uint32_t uar, uint64_t offset, uint64_t value, size_t length)
{
	uint8_t bytes[8];

	put_be64(bytes, value);
	pci_bar_write(&f->b.dev, PCI_BAR_DEVICE, ((uint64_t)uar << PCI_UAR_SHIFT) + offset, bytes,
		      length);
}

/* A doorbell counts only in the UAR page of its object */
static void test_doorbells(void **state)
{
	struct fixture *f = *state;
	struct stand *b = &f->b;
	struct stand_cq cq = stand_create_cq(b);
	struct stand_qp qp = stand_create_qp(b, &cq, QP_RC);
	uint32_t other = stand_number(b, MLX5_CMD_OP_ALLOC_UAR);
	const struct eq *eq = table_get(&b->dev.eqs, b->fault_eq);
	const struct cq *object = table_get(&b->dev.cqs, cq.number);

	stand_connect(b, &qp, &qp);
	stand_run(b);
	reported(f);
	ring(f, other, 0x800, (uint64_t)qp.number << 8, 8);
	assert_false(stand_busy(b));
	assert_int_equal(reported(f), 1);
	ring(f, b->uar, 0x800, (uint64_t)qp.number << 8, 8);
	assert_true(stand_busy(b));
	ring(f, other, 0x20, cq.number, 8);
	assert_false(object->armed);
	assert_int_equal(reported(f), 1);
	ring(f, b->uar, 0x20, cq.number, 8);
	assert_true(object->armed);
	ring(f, other, 0x48, (uint64_t)b->fault_eq << 56 | 7ull << 32, 4);
	assert_int_equal(eq->consumer, 0);
	assert_int_equal(reported(f), 1);
	ring(f, b->uar, 0x48, (uint64_t)b->fault_eq << 56 | 7ull << 32, 4);
	assert_int_equal(eq->consumer, 7);
	assert_int_equal(reported(f), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_beyond_table), TEST(test_units),	 TEST(test_resize),
		TEST(test_resize_as_dmabuf), TEST(test_sizes), TEST(test_small_table),
		TEST(test_leftovers), TEST(test_children), TEST(test_lifetimes),
		TEST(test_references),
		TEST(test_doorbells), TEST(test_umr_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
