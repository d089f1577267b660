// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Device memory: its commands, accesses through the BAR, and work requests. */
#include "unit.h"

#include "base/caps.h"
#include "cmd/memic.h"
#include "pair.h"
#include "vfio/pci.h"

#define START ((uint64_t)CAPS_MEMIC_START)
#define END (START + CAPS_MEMIC_SIZE)
#define CAPS_TYPE 0xf

static struct stand stand;
static struct pair pair;

static int setup(void **state)
{
	stand_init(&stand, NULL);
	*state = &stand;
	return 0;
}

static int teardown(void **state)
{
	stand_destroy(*state);
	return 0;
}

/* Two devices; a message is moved in parts */
static int setup_pair(void **state)
{
	pair_init(&pair, &(struct dev_options){ .fault_seed = 7, .strict = true }, 2, QP_RC);
	*state = &pair;
	return 0;
}

static int teardown_pair(void **state)
{
	assert_int_equal(PAIR_TOTAL(&pair, strict_reports), 0);
	pair_destroy(*state);
	return 0;
}

struct request {
	uint64_t range, range_size, size;
	unsigned int log_align;
};

static uint8_t alloc(struct stand *b, struct request r, uint64_t *address)
{
	uint8_t in[IFC_SIZE(alloc_memic_in)] = { 0 }, out[IFC_SIZE(alloc_memic_out)];
	uint8_t status;

	IFC_SET(alloc_memic_in, in, opcode, MLX5_CMD_OP_ALLOC_MEMIC);
	IFC_SET(alloc_memic_in, in, log_memic_addr_alignment, r.log_align);
	IFC_SET(alloc_memic_in, in, range_start_addr, r.range);
	IFC_SET(alloc_memic_in, in, range_size, r.range_size);
	IFC_SET(alloc_memic_in, in, memic_size, r.size);
	status = stand_command(b, in, sizeof(in), out, sizeof(out));
	if (address)
		*address = IFC_GET(alloc_memic_out, out, memic_start_addr);
	return status;
}

static uint64_t must_alloc(struct stand *b, uint64_t range, uint64_t size)
{
	struct request r = { range, (size + MEMIC_PAGE - 1) / MEMIC_PAGE * MEMIC_PAGE, size, 0 };
	uint64_t address;

	assert_int_equal(alloc(b, r, &address), CMD_OK);
	assert_int_equal(address, range);
	return address;
}

static uint8_t dealloc(struct stand *b, uint64_t address, uint64_t size)
{
	uint8_t in[IFC_SIZE(dealloc_memic_in)] = { 0 }, out[IFC_SIZE(dealloc_memic_out)];

	IFC_SET(dealloc_memic_in, in, opcode, MLX5_CMD_OP_DEALLOC_MEMIC);
	IFC_SET(dealloc_memic_in, in, memic_start_addr, address);
	IFC_SET(dealloc_memic_in, in, memic_size, size);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

static uint8_t modify_as(struct stand *b, unsigned int uid, unsigned int modifier,
			 uint64_t address, unsigned int operation, uint64_t *result)
{
	uint8_t in[IFC_SIZE(modify_memic_in)] = { 0 }, out[IFC_SIZE(modify_memic_out)];
	uint8_t status;

	IFC_SET(modify_memic_in, in, opcode, MLX5_CMD_OP_MODIFY_MEMIC);
	IFC_SET(modify_memic_in, in, uid, uid);
	IFC_SET(modify_memic_in, in, op_mod, modifier);
	IFC_SET(modify_memic_in, in, memic_operation_type, operation);
	IFC_SET(modify_memic_in, in, memic_start_addr, address);
	status = stand_command(b, in, sizeof(in), out, sizeof(out));
	if (result)
		*result = IFC_GET(modify_memic_out, out, memic_operation_addr);
	return status;
}

static uint8_t modify(struct stand *b, unsigned int modifier, uint64_t address,
		      unsigned int operation, uint64_t *result)
{
	return modify_as(b, 0, modifier, address, operation, result);
}

static uint8_t create_mkey_as(struct stand *b, unsigned int uid, uint64_t start, uint64_t length,
			      bool length64)
{
	uint8_t in[IFC_SIZE(create_mkey_in)] = { 0 }, out[IFC_SIZE(create_mkey_out)];
	uint8_t *context = IFC_AT(create_mkey_in, in, memory_key_mkey_entry);

	IFC_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	IFC_SET(create_mkey_in, in, uid, uid);
	IFC_SET(mkc, context, access_mode_1_0, MKEY_MEMIC & 3);
	IFC_SET(mkc, context, access_mode_4_2, MKEY_MEMIC >> 2);
	IFC_SET(mkc, context, qpn, MKEY_QPN_ANY);
	IFC_SET(mkc, context, pd, b->pd);
	IFC_SET(mkc, context, start_addr, start);
	IFC_SET(mkc, context, len, length);
	IFC_SET(mkc, context, length64, length64);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

static uint32_t create_mkey(struct stand *b, uint64_t start, uint64_t length)
{
	return stand_create_mkey(b, &(struct stand_mkey){
		.mode = MKEY_MEMIC, .start = start, .length = length,
	});
}

static void bar_write(struct stand *b, uint64_t address, const void *data, size_t length)
{
	pci_bar_write(&b->dev, PCI_BAR_DEVICE, address, data, length);
}

static void bar_read(struct stand *b, uint64_t address, void *data, size_t length)
{
	memset(data, 0xee, length);
	pci_bar_read(&b->dev, PCI_BAR_DEVICE, address, data, length);
}

static uint8_t bar_byte(struct stand *b, uint64_t address)
{
	uint8_t byte;

	bar_read(b, address, &byte, 1);
	return byte;
}

static void query_caps(struct stand *b, uint8_t *out)
{
	uint8_t in[IFC_SIZE(query_hca_cap_in)] = { 0 };

	IFC_SET(query_hca_cap_in, in, opcode, MLX5_CMD_OP_QUERY_HCA_CAP);
	IFC_SET(query_hca_cap_in, in, op_mod, CAPS_TYPE << 1 | 1);
	assert_int_equal(stand_command(b, in, sizeof(in), out, IFC_SIZE(query_hca_cap_out)), CMD_OK);
}

static void test_capabilities(void **state)
{
	static uint8_t out[IFC_SIZE(query_hca_cap_out)];
	const uint8_t *caps = IFC_AT(query_hca_cap_out, out, capability);
	struct stand *b = *state;

	assert_true(IFC_GET(cmd_hca_cap, b->dev.caps_general, device_memory));
	query_caps(b, out);
	assert_int_equal(IFC_GET(device_mem_cap, caps, memic), 1);
	assert_int_equal(IFC_GET(device_mem_cap, caps, memic_bar_start_addr), START);
	assert_int_equal(IFC_GET(device_mem_cap, caps, memic_bar_size), CAPS_MEMIC_SIZE);
	assert_int_equal(IFC_GET(device_mem_cap, caps, max_memic_size), CAPS_MEMIC_MAX);
	assert_int_equal(IFC_GET(device_mem_cap, caps, memic_operations), 3);
	/* single bytes, as applications find it in the reply; the minimal size beside them is kept */
	assert_int_equal(out[20], 1);
	assert_int_equal(out[22], 1);
	assert_int_equal(IFC_GET(device_mem_cap, caps, log_min_memic_alloc_size),
			 CAPS_MEMIC_LOG_UNIT);
	assert_int_equal(IFC_GET(device_mem_cap, caps, log_max_memic_addr_alignment),
			 CAPS_MEMIC_LOG_ALIGN);
	/* the areas of the memory and of all operations are in the BAR */
	assert_true(START + (1ull + MEMIC_OPERATIONS) * CAPS_MEMIC_SIZE <=
		    pci_bar_size(PCI_BAR_DEVICE));
}

/* Firmware without it: no capabilities, and no commands */
static void test_not_announced(void **state)
{
	static uint8_t out[IFC_SIZE(query_hca_cap_out)];
	const struct dev_options old = { .profile = PROFILE_OLD };
	struct request r = { START, MEMIC_PAGE, 64, 0 };
	struct stand b;
	size_t i;

	(void)state;
	stand_init(&b, &old);
	query_caps(&b, out);
	for (i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], 0);
	assert_int_equal(alloc(&b, r, NULL), CMD_BAD_OP);
	assert_int_equal(dealloc(&b, START, 64), CMD_BAD_OP);
	assert_int_equal(modify(&b, 0, START, 0, NULL), CMD_BAD_OP);
	assert_int_equal(create_mkey_as(&b, 0, START, 64, false), CMD_BAD_RESOURCE);
	stand_destroy(&b);
}

static void test_alloc_refused(void **state)
{
	static const struct request bad[] = {
		/* sizes */
		{ START, MEMIC_PAGE, 0, 0 },
		{ START, MEMIC_PAGE, 63, 0 },
		{ START, MEMIC_PAGE, 100, 0 },
		{ START, CAPS_MEMIC_SIZE, CAPS_MEMIC_MAX + 64, 0 },
		{ START, CAPS_MEMIC_SIZE, UINT32_MAX - 63, 0 },
		/* ranges */
		{ START, 0, 64, 0 },
		{ START, 64, 64, 0 },
		{ START + 64, MEMIC_PAGE, 64, 0 },
		{ START - MEMIC_PAGE, MEMIC_PAGE, 64, 0 },
		{ 0, MEMIC_PAGE, 64, 0 },
		{ END, MEMIC_PAGE, 64, 0 },
		{ END - MEMIC_PAGE, 2 * MEMIC_PAGE, 64, 0 },
		{ START, CAPS_MEMIC_SIZE + MEMIC_PAGE, 64, 0 },
		{ START, UINT32_MAX - MEMIC_PAGE + 1, 64, 0 },
		{ 0ull - MEMIC_PAGE, MEMIC_PAGE, 64, 0 },
		/* alignments */
		{ START, MEMIC_PAGE, 64, CAPS_MEMIC_LOG_ALIGN + 1 },
		{ START, MEMIC_PAGE, 64, 58 },
		{ START, MEMIC_PAGE, 64, 255 },
	};
	struct request r = { START, CAPS_MEMIC_SIZE, 0, 0 };
	struct stand *b = *state;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(alloc(b, bad[i], NULL), CMD_BAD_PARAM);
	/* memory that does not fit into its range */
	assert_int_equal(alloc(b, (struct request){ START, MEMIC_PAGE, MEMIC_PAGE + 64, 0 }, NULL),
			 CMD_NO_RESOURCES);
	assert_int_equal(b->dev.memics.count, 0);
	/* more than there can be is announced, then less */
	IFC_SET(device_mem_cap, b->dev.caps_device_memory, max_memic_size, CAPS_MEMIC_SIZE);
	r.size = CAPS_MEMIC_MAX + 64;
	assert_int_equal(alloc(b, r, NULL), CMD_BAD_PARAM);
	IFC_SET(device_mem_cap, b->dev.caps_device_memory, max_memic_size, 64);
	r.size = 128;
	assert_int_equal(alloc(b, r, NULL), CMD_BAD_PARAM);
}

/* The driver tries one page after the other until the alignment fits */
static void test_alignment(void **state)
{
	struct request r = { START + MEMIC_PAGE, 2 * MEMIC_PAGE, 2 * MEMIC_PAGE, 0 };
	struct stand *b = *state;
	unsigned int attempts = 0;
	uint64_t address;

	r.log_align = CAPS_MEMIC_LOG_ALIGN;
	while (alloc(b, r, &address) == CMD_NO_RESOURCES) {
		r.range += MEMIC_PAGE;
		attempts++;
	}
	assert_int_equal(attempts, 15);
	assert_int_equal(address, START + (64 << CAPS_MEMIC_LOG_ALIGN));
	/* a range that is larger than the memory */
	r = (struct request){ START + MEMIC_PAGE, 4 * MEMIC_PAGE, 64, 8 };
	assert_int_equal(alloc(b, r, &address), CMD_OK);
	assert_int_equal(address, START + 4 * MEMIC_PAGE);
}

static void test_taken(void **state)
{
	struct stand *b = *state;
	uint64_t address = must_alloc(b, START + MEMIC_PAGE, 2 * MEMIC_PAGE), page;

	for (page = START; page < START + 4 * MEMIC_PAGE; page += MEMIC_PAGE) {
		struct request r = { page, MEMIC_PAGE, 64, 0 };
		bool taken = page > START && page < START + 3 * MEMIC_PAGE;

		assert_int_equal(alloc(b, r, NULL), taken ? CMD_NO_RESOURCES : CMD_OK);
	}
	assert_int_equal(dealloc(b, address, 2 * MEMIC_PAGE), CMD_OK);
	must_alloc(b, START + MEMIC_PAGE, 64);
	/* all pages: the last one is in the area */
	for (page = START; page < END; page += MEMIC_PAGE)
		alloc(b, (struct request){ page, MEMIC_PAGE, MEMIC_PAGE, 0 }, NULL);
	assert_int_equal(b->dev.memics.count, MEMIC_COUNT);
	assert_int_equal(alloc(b, (struct request){ START, MEMIC_PAGE, 64, 0 }, NULL),
			 CMD_NO_RESOURCES);
}

static void test_dealloc(void **state)
{
	struct stand *b = *state;
	uint64_t address = must_alloc(b, START, 2 * MEMIC_PAGE);
	uint32_t key = create_mkey(b, address + 64, 64);

	assert_int_equal(dealloc(b, address + MEMIC_PAGE, MEMIC_PAGE), CMD_BAD_RESOURCE);
	assert_int_equal(dealloc(b, 0, 0), CMD_BAD_RESOURCE);
	assert_int_equal(dealloc(b, address, MEMIC_PAGE), CMD_BAD_PARAM);
	/* in use by a key, then by an operation */
	assert_int_equal(dealloc(b, address, 2 * MEMIC_PAGE), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(stand_destroy_object(b, MLX5_CMD_OP_DESTROY_MKEY, key >> 8), CMD_OK);
	assert_int_equal(modify(b, 0, address, MEMIC_INCREMENT, NULL), CMD_OK);
	assert_int_equal(dealloc(b, address, 2 * MEMIC_PAGE), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(modify(b, 1, address, MEMIC_INCREMENT, NULL), CMD_OK);
	assert_int_equal(dealloc(b, address, 2 * MEMIC_PAGE), CMD_OK);
	assert_int_equal(dealloc(b, address, 2 * MEMIC_PAGE), CMD_BAD_RESOURCE);
}

/* Accesses of all lengths and at all offsets store and return exactly their bytes */
static void test_bar(void **state)
{
	struct stand *b = *state;
	uint64_t address = must_alloc(b, START + MEMIC_PAGE, 192);
	uint8_t image[192] = { 0 }, data[192];
	size_t length, at, i;

	for (i = 0; i < sizeof(image); i++)
		assert_int_equal(bar_byte(b, address + i), 0);
	for (length = 1; length <= 9; length++)
		for (at = 0; at + length <= sizeof(image); at += length + 3) {
			for (i = 0; i < length; i++)
				data[i] = image[at + i] = length * 31 + at * 7 + i;
			bar_write(b, address + at, data, length);
			bar_read(b, address, data, sizeof(data));
			assert_memory_equal(data, image, sizeof(image));
			bar_read(b, address + at, data, length);
			assert_memory_equal(data, image + at, length);
		}
	/* neither beyond the end of the memory nor in front of it */
	memset(data, 0xcc, sizeof(data));
	bar_write(b, address + sizeof(image) - 4, data, 8);
	bar_write(b, address - 4, data, 8);
	bar_write(b, address + sizeof(image), data, 1);
	bar_read(b, address + sizeof(image) - 4, data, 8);
	for (i = 0; i < 8; i++)
		assert_int_equal(data[i], 0);
	assert_int_equal(bar_byte(b, address + sizeof(image)), 0);
	bar_read(b, address, data, sizeof(data));
	assert_memory_equal(data, image, sizeof(image));
	/* memory is not shared with the next allocation */
	assert_int_equal(dealloc(b, address, sizeof(image)), CMD_OK);
	assert_int_equal(bar_byte(b, address + 8), 0);
	bar_write(b, address, image, 8);
	must_alloc(b, address, sizeof(image));
	assert_int_equal(bar_byte(b, address + 8), 0);
	assert_int_equal(bar_byte(b, address), 0);
}

/* The end of the BAR, and pages that only a UAR would have */
static void test_bar_bounds(void **state)
{
	struct stand *b = *state;
	uint8_t data[64] = { 1 };
	uint64_t offset;

	for (offset = START - MEMIC_PAGE; offset < PCI_BAR_DEVICE_SIZE; offset += MEMIC_PAGE / 2) {
		bar_write(b, offset, data, 8);
		bar_write(b, offset, data, sizeof(data));
		assert_int_equal(bar_byte(b, offset), 0);
	}
	must_alloc(b, END - CAPS_MEMIC_MAX, CAPS_MEMIC_MAX);
	bar_write(b, END - 1, data, 1);
	assert_int_equal(bar_byte(b, END - 1), 1);
	bar_write(b, END - 1, data, 2);
	assert_int_equal(bar_byte(b, END - 1), 1);
	/* at the same place in each area, also where there is no operation */
	for (offset = END; offset < PCI_BAR_DEVICE_SIZE; offset += CAPS_MEMIC_SIZE) {
		bar_write(b, offset + CAPS_MEMIC_SIZE - 1, data, 1);
		assert_int_equal(bar_byte(b, offset + CAPS_MEMIC_SIZE - 1), 0);
	}
	assert_int_equal(bar_byte(b, END - 1), 1);
}

static void test_operations(void **state)
{
	struct stand *b = *state;
	uint64_t address = must_alloc(b, START + 3 * MEMIC_PAGE, 128), add, set;
	uint8_t one = 1, wide[4] = { 1, 1, 1, 1 };
	const uint64_t increments = address + CAPS_MEMIC_SIZE;

	/* not allocated: no effect */
	bar_write(b, increments, &one, 1);
	assert_int_equal(bar_byte(b, increments + CAPS_MEMIC_SIZE), 0);
	assert_int_equal(bar_byte(b, address), 0);

	assert_int_equal(modify(b, 0, address, MEMIC_INCREMENT, &add), CMD_OK);
	assert_int_equal(modify(b, 0, address, MEMIC_TEST_AND_SET, &set), CMD_OK);
	assert_int_equal(add, increments);
	assert_int_equal(set, increments + CAPS_MEMIC_SIZE);
	bar_write(b, add + 5, &one, 1);
	bar_write(b, add + 5, &(uint8_t){ 40 }, 1);
	assert_int_equal(bar_byte(b, address + 5), 41);
	assert_int_equal(bar_byte(b, add + 5), 0);
	assert_int_equal(bar_byte(b, set + 5), 41);
	assert_int_equal(bar_byte(b, set + 5), 1);
	assert_int_equal(bar_byte(b, address + 5), 1);
	assert_int_equal(bar_byte(b, address + 4), 0);
	assert_int_equal(bar_byte(b, address + 6), 0);
	/* it wraps around, and no byte beside it changes */
	bar_write(b, add + 5, &(uint8_t){ 255 }, 1);
	assert_int_equal(bar_byte(b, address + 5), 0);
	assert_int_equal(bar_byte(b, address + 4), 0);
	/* what is not announced: other sizes; what is no operation: the other direction */
	bar_write(b, add, wide, 4);
	bar_write(b, set, &one, 1);
	assert_int_equal(bar_byte(b, address), 0);
	bar_read(b, set, wide, 4);
	assert_int_equal(get_be32(wide), 0);
	assert_int_equal(bar_byte(b, address), 0);
	/* beyond the memory */
	bar_write(b, add + 128, &one, 1);
	assert_int_equal(bar_byte(b, set + 128), 0);

	assert_int_equal(modify(b, 1, address, MEMIC_INCREMENT, NULL), CMD_OK);
	bar_write(b, add, &one, 1);
	assert_int_equal(bar_byte(b, address), 0);
	assert_int_equal(bar_byte(b, set), 0);
	assert_int_equal(bar_byte(b, address), 1);
}

static void test_operations_refused(void **state)
{
	struct stand *b = *state;
	uint64_t address = must_alloc(b, START, 128);

	assert_int_equal(modify(b, 0, address + 64, MEMIC_INCREMENT, NULL), CMD_BAD_RESOURCE);
	assert_int_equal(modify(b, 0, END, MEMIC_INCREMENT, NULL), CMD_BAD_RESOURCE);
	assert_int_equal(modify(b, 0, address, MEMIC_OPERATIONS, NULL), CMD_BAD_PARAM);
	assert_int_equal(modify(b, 0, address, 32, NULL), CMD_BAD_PARAM);
	assert_int_equal(modify(b, 0, address, 255, NULL), CMD_BAD_PARAM);
	assert_int_equal(modify(b, 2, address, MEMIC_INCREMENT, NULL), CMD_BAD_PARAM);
	assert_int_equal(modify(b, 1, address, MEMIC_INCREMENT, NULL), CMD_BAD_RESOURCE);
	assert_int_equal(modify(b, 1, address, 255, NULL), CMD_BAD_RESOURCE);
	/* an application's own command */
	assert_int_equal(modify_as(b, 5, 0, address, MEMIC_INCREMENT, NULL), CMD_BAD_RESOURCE);
	assert_int_equal(modify(b, 0, address, MEMIC_INCREMENT, NULL), CMD_OK);
	assert_int_equal(modify(b, 0, address, MEMIC_INCREMENT, NULL), CMD_BAD_RESOURCE_STATE);
	/* only what is announced */
	IFC_SET(device_mem_cap, b->dev.caps_device_memory, memic_operations, 1);
	assert_int_equal(modify(b, 0, address, MEMIC_TEST_AND_SET, NULL), CMD_BAD_PARAM);
}

static void test_mkey_refused(void **state)
{
	struct stand *b = *state;
	uint64_t address = must_alloc(b, START + MEMIC_PAGE, MEMIC_PAGE);

	must_alloc(b, START + 2 * MEMIC_PAGE, MEMIC_PAGE);
	assert_int_equal(create_mkey_as(b, 0, START, 64, false), CMD_BAD_RESOURCE);
	assert_int_equal(create_mkey_as(b, 0, address - 1, 2, false), CMD_BAD_RESOURCE);
	assert_int_equal(create_mkey_as(b, 0, address, MEMIC_PAGE + 1, false), CMD_BAD_RESOURCE);
	assert_int_equal(create_mkey_as(b, 0, address + 1, UINT64_MAX, false), CMD_BAD_RESOURCE);
	assert_int_equal(create_mkey_as(b, 0, address, 64, true), CMD_BAD_PARAM);
	assert_int_equal(create_mkey_as(b, 5, address, 64, false), CMD_BAD_RESOURCE);
	assert_int_equal(create_mkey_as(b, 0, address, MEMIC_PAGE, false), CMD_OK);
	assert_int_equal(create_mkey_as(b, 0, address + 64, 0, false), CMD_OK);
}

static void test_reset(void **state)
{
	struct stand *b = *state;
	uint64_t address = must_alloc(b, START, 64);

	bar_write(b, address, "x", 1);
	model_reset(&b->dev);
	stand_power_up(b);
	assert_int_equal(bar_byte(b, address), 0);
	must_alloc(b, START, 64);
	assert_int_equal(bar_byte(b, address), 0);
}

/* One device's memory, with a key of a part of it */
struct target {
	uint64_t address; /* of the part */
	uint32_t key;
};

#define TARGET_OFFSET 192
#define TARGET_SIZE 24576

static struct target make_target(struct pair *p, unsigned int side)
{
	uint64_t memic = must_alloc(p->on[side], START, 32768), i;

	for (i = 0; i < 32768; i += 4)
		bar_write(p->on[side], memic + i, &(uint32_t){ i * 3 + side }, 4);
	return (struct target){
		.address = memic + TARGET_OFFSET,
		.key = create_mkey(p->on[side], memic + TARGET_OFFSET, TARGET_SIZE),
	};
}

static void bar_image(struct pair *p, unsigned int side, uint8_t *image)
{
	bar_read(p->on[side], START, image, 32768);
}

static const uint32_t lengths[] = { 1, 4, 255, 4095, 4096, 4097, 8181 };
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

/* RDMA writes and reads of all lengths, at odd offsets: no other byte changes */
static void test_write_read(void **state)
{
	static uint8_t before[32768], after[32768];
	struct pair *p = *state;
	struct target t = make_target(p, 1);
	size_t i;

	for (i = 0; i < LENGTHS; i++) {
		struct stand_wr wr = pair_request(p, WQE_WRITE, lengths[i]);
		uint64_t at = 33 + 1000 * i;

		wr.remote = at;
		wr.rkey = t.key;
		bar_image(p, 1, before);
		memcpy(before + TARGET_OFFSET + at, pair_at(p, 0, 11), lengths[i]);
		pair_send(p, &wr);
		pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
		bar_image(p, 1, after);
		assert_memory_equal(after, before, sizeof(after));

		wr.opcode = WQE_READ;
		memset(pair_at(p, 0, 0), 0x55, PAIR_SIZE);
		pair_send(p, &wr);
		pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, lengths[i]);
		assert_memory_equal(pair_at(p, 0, 11), before + TARGET_OFFSET + at, lengths[i]);
		assert_int_equal(*pair_at(p, 0, 10), 0x55);
		assert_int_equal(*pair_at(p, 0, 11 + lengths[i]), lengths[i] == 8181 ?
				 *pair_at(p, 0, 8192) : 0x55);
	}
}

/* Messages from the memory of one device to that of the other */
static void test_send(void **state)
{
	static uint8_t source[32768], target[32768], after[32768];
	struct pair *p = *state;
	struct target from = make_target(p, 0), to = make_target(p, 1);
	struct stand_wr wr = {
		.opcode = WQE_SEND, .address = 77, .lkey = from.key, .length = 20001,
	};

	bar_image(p, 0, source);
	bar_image(p, 1, target);
	memcpy(target + TARGET_OFFSET + 1001, source + TARGET_OFFSET + 77, wr.length);
	stand_receive(p->on[1], &p->qp[1], 1001, to.key, TARGET_SIZE - 1001);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, wr.length);
	bar_image(p, 1, after);
	assert_memory_equal(after, target, sizeof(after));
	bar_image(p, 0, after);
	assert_memory_equal(after, source, sizeof(after));
}

static void test_atomics(void **state)
{
	struct pair *p = *state;
	struct target t = make_target(p, 1);
	struct stand_wr wr = pair_request(p, WQE_FETCH_ADD, 8);
	uint64_t value = htole64(1000), old;

	wr.remote = 4096 - 8;
	wr.rkey = t.key;
	wr.add = 234;
	bar_write(p->on[1], t.address + wr.remote, &value, 8);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 8);
	memcpy(&old, pair_at(p, 0, 11), 8);
	assert_int_equal(le64toh(old), 1000);
	bar_read(p->on[1], t.address + wr.remote, &value, 8);
	assert_int_equal(le64toh(value), 1234);

	wr.opcode = WQE_COMPARE_SWAP;
	wr.compare = 1234;
	wr.add = 5;
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 8);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 8);
	memcpy(&old, pair_at(p, 0, 11), 8);
	assert_int_equal(le64toh(old), 5);
	bar_read(p->on[1], t.address + wr.remote, &value, 8);
	assert_int_equal(le64toh(value), 5);
}

static void denied(struct pair *p, uint64_t remote, uint32_t key, uint32_t length)
{
	static uint8_t before[32768], after[32768];
	struct stand_wr wr = pair_request(p, WQE_WRITE, length);

	wr.remote = remote;
	wr.rkey = key;
	bar_image(p, 1, before);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_ACCESS, 0);
	bar_image(p, 1, after);
	assert_memory_equal(after, before, sizeof(after));
}

/* The error state ends a queue pair, so each of these is a test of its own */
#define DENIED(name, remote, length)                               \
	static void name(void **state)                             \
	{                                                          \
		struct pair *p = *state;                           \
		denied(p, remote, make_target(p, 1).key, length);  \
	}
DENIED(test_beyond_end, TARGET_SIZE - 63, 64)
DENIED(test_after_end, TARGET_SIZE, 1)
DENIED(test_far_away, 1ull << 40, 64)
/* the place in the BAR is not an address */
DENIED(test_bar_address, START + TARGET_OFFSET, 64)
DENIED(test_below_start, 0ull - 8, 4)
DENIED(test_around_zero, 0ull - 8, 64)

static void test_empty_key(void **state)
{
	struct pair *p = *state;
	uint64_t memic = must_alloc(p->on[1], START, 64);
	uint8_t in[IFC_SIZE(query_mkey_in)] = { 0 };
	static uint8_t out[IFC_SIZE(query_mkey_out)];
	uint32_t key;

	/* the stand's key of length 0 has all addresses, which is refused for device memory */
	assert_int_equal(create_mkey_as(p->on[1], 0, memic, 0, false), CMD_OK);
	key = (p->on[1]->dev.mkeys.next - 1) << 8;
	IFC_SET(query_mkey_in, in, opcode, MLX5_CMD_OP_QUERY_MKEY);
	IFC_SET(query_mkey_in, in, mkey_index, key >> 8);
	assert_int_equal(stand_command(p->on[1], in, sizeof(in), out, sizeof(out)), CMD_OK);
	denied(p, 0, key, 1);
}

/*
 * Applications can change the fields of their keys by UMRs. A start or a length that leads out of
 * the allocation that the key was created for gives access to nothing else.
 */
static void change(struct pair *p, uint32_t key, uint64_t start, uint64_t length, bool length64)
{
	struct mkey *mkey = mkey_get(&p->on[1]->dev, key);

	IFC_SET(mkc, mkey->context, start_addr, start);
	IFC_SET(mkc, mkey->context, len, length);
	IFC_SET(mkc, mkey->context, length64, length64);
	mkey_refresh(mkey);
}

#define CHANGED(name, start, length, length64, remote)                             \
	static void name(void **state)                                             \
	{                                                                          \
		struct pair *p = *state;                                           \
		uint32_t key;                                                      \
                                                                                   \
		key = create_mkey(p->on[1], must_alloc(p->on[1], START, 4096), 64); \
		must_alloc(p->on[1], START + MEMIC_PAGE, 4096);                    \
		change(p, key, start, length, length64);                           \
		denied(p, remote, key, 64);                                        \
	}
CHANGED(test_changed_start, START + MEMIC_PAGE, 64, false, 0)
CHANGED(test_changed_length, START, 2 * MEMIC_PAGE, false, MEMIC_PAGE)
CHANGED(test_changed_across, START, 2 * MEMIC_PAGE, false, MEMIC_PAGE - 32)
CHANGED(test_changed_wrap, UINT64_MAX - 15, UINT64_MAX, false, 16)
CHANGED(test_changed_length64, START, 0, true, 0)
CHANGED(test_changed_host, 0, UINT64_MAX, false, 0)

/* An indirect key over device memory */
static void test_indirect(void **state)
{
	struct pair *p = *state;
	struct target t = make_target(p, 1);
	uint8_t list[32] = { 0 }, data[16];
	struct stand_wr wr = pair_request(p, WQE_WRITE, 16);
	struct stand_mkey m = {
		.mode = MKEY_KLM, .length = 16, .list = list, .list_length = sizeof(list),
	};

	put_be32(list, 10);
	put_be32(list + 4, t.key);
	put_be64(list + 8, 100);
	put_be32(list + 16, 6);
	put_be32(list + 20, t.key);
	put_be64(list + 24, 5000);
	wr.remote = 0;
	wr.rkey = stand_create_mkey(p->on[1], &m);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	bar_read(p->on[1], t.address + 100, data, 10);
	assert_memory_equal(data, pair_at(p, 0, 11), 10);
	bar_read(p->on[1], t.address + 5000, data, 6);
	assert_memory_equal(data, pair_at(p, 0, 21), 6);
}

/* A key of another protection domain, and one without the right */
static void test_rights(void **state)
{
	struct pair *p = *state;
	struct target t = make_target(p, 1);
	struct mkey *mkey = mkey_get(&p->on[1]->dev, t.key);

	IFC_SET(mkc, mkey->context, rw, 0);
	denied(p, 0, t.key, 64);
}

static void test_domain(void **state)
{
	struct pair *p = *state;
	struct target t = make_target(p, 1);
	struct mkey *mkey = mkey_get(&p->on[1]->dev, t.key);

	IFC_SET(mkc, mkey->context, pd, stand_number(p->on[1], MLX5_CMD_OP_ALLOC_PD));
	mkey_refresh(mkey);
	denied(p, 0, t.key, 64);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PAIR(name) cmocka_unit_test_setup_teardown(name, setup_pair, teardown_pair)
	const struct CMUnitTest tests[] = {
		TEST(test_capabilities),
		cmocka_unit_test(test_not_announced),
		TEST(test_alloc_refused),
		TEST(test_alignment),
		TEST(test_taken),
		TEST(test_dealloc),
		TEST(test_bar),
		TEST(test_bar_bounds),
		TEST(test_operations),
		TEST(test_operations_refused),
		TEST(test_mkey_refused),
		TEST(test_reset),
		PAIR(test_write_read),
		PAIR(test_send),
		PAIR(test_atomics),
		PAIR(test_beyond_end),
		PAIR(test_after_end),
		PAIR(test_far_away),
		PAIR(test_bar_address),
		PAIR(test_below_start),
		PAIR(test_around_zero),
		PAIR(test_empty_key),
		PAIR(test_changed_start),
		PAIR(test_changed_length),
		PAIR(test_changed_across),
		PAIR(test_changed_wrap),
		PAIR(test_changed_length64),
		PAIR(test_changed_host),
		PAIR(test_indirect),
		PAIR(test_rights),
		PAIR(test_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
