// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A hostile guest. One entry per way in: commands, work requests, registers, vfio-user messages.
 *
 *     mlx5-fuzz ENTRY SECONDS [SEED]    random input, made to look like the real thing
 *
 * Built with HUGEODP_LIBFUZZER (clang), the entry named by the environment's MLX5_FUZZ gets its input
 * from libFuzzer instead. What finds anything are the sanitizers, so build with them; the
 * pages beside the guest's memory are not mapped, so a step outside of it ends the program.
 */
#include "bench.h"
#include "pci.h"
#include "vfu.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Input, read from front to back; zeros when it is used up */
struct input {
	const uint8_t *data;
	size_t length;
};

static uint64_t take(struct input *input, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes-- && input->length) {
		value = value << 8 | *input->data++;
		input->length--;
	}
	return value;
}

/* A world with some of everything, so that numbers which are small hit something */
struct world {
	struct bench b;
	struct bench_cq cq[2];
	struct bench_qp qp[6];
	uint32_t keys[6];
	uint64_t buffer;
};

#define WORLD_BUFFER (256u << 10)

static void world_init(struct world *w, bool memory)
{
	static const unsigned int services[6] = { QP_RC, QP_RC, QP_UD, QP_UC, QP_XRC, QP_REG_UMR };
	uint8_t list[64] = { 0 };
	struct bench_mkey indirect = {
		.page_shift = 14, .list = list, .list_length = sizeof(list),
	};
	unsigned int i;

	bench_init(&w->b, &(struct dev_options){
		.scheme = memory ? SCHEME_MEMORY : SCHEME_TRANSPORT,
	});
	w->buffer = bench_alloc(&w->b, WORLD_BUFFER, 4096);
	for (i = 0; i < 2; i++)
		w->cq[i] = bench_create_cq(&w->b);
	w->keys[0] = bench_register(&w->b, w->buffer, WORLD_BUFFER, 12, true);
	w->keys[1] = bench_register(&w->b, w->buffer, WORLD_BUFFER, 14, true);
	w->keys[2] = bench_register(&w->b, w->buffer, WORLD_BUFFER, 12, false);
	w->keys[3] = w->b.pa_key;
	for (i = 0; i < 4; i++) {
		put_be32(list + 16 * i, 1 << 14);
		put_be32(list + 16 * i + 4, i ? w->keys[i - 1] : w->b.dev.mkeys.next << 8);
		put_be64(list + 16 * i + 8, w->buffer + 4096 * i);
	}
	indirect.mode = MKEY_KSM;
	w->keys[4] = bench_create_mkey(&w->b, &indirect);
	indirect.mode = MKEY_KLM;
	put_be32(list + 4, w->b.dev.mkeys.next << 8);
	w->keys[5] = bench_create_mkey(&w->b, &indirect);
	for (i = 0; i < 6; i++)
		w->qp[i] = bench_create_qp(&w->b, &w->cq[i % 2], services[i]);
	for (i = 0; i < 6; i++)
		bench_connect(&w->b, &w->qp[i], &w->qp[i < 2 ? 1 - i : i]);
}

static void world_turn(struct world *w)
{
	unsigned int i;

	for (i = 0; i < 64 && w->b.dev.run_first; i++)
		dev_work(&w->b.dev);
}

/* Values that mean something here more often than by chance */
static uint64_t take_value(struct input *input, const struct world *w)
{
	uint64_t v = take(input, 1);

	switch (v & 7) {
	case 0:
		return w->buffer + take(input, 2);
	case 1:
		return w->keys[(v >> 3) % 6];
	case 2:
		return w->qp[(v >> 3) % 6].number;
	case 3:
		return take(input, 1);
	case 4:
		return take(input, 4);
	case 5:
		return BENCH_BASE + BENCH_SIZE - take(input, 2);
	case 6:
		return take(input, 8);
	}
	return v >> 3;
}

static void fuzz_commands(struct input *input)
{
	static const uint16_t groups[] = { 0x100, 0x200, 0x300, 0x400, 0x500, 0x700,
					   0x760, 0x800, 0xa00 };
	static uint8_t in[8192], out[8192];
	struct world w;
	unsigned int i;

	world_init(&w, take(input, 1) & 1);
	while (input->length) {
		size_t in_length = 16 + take(input, 2) % (sizeof(in) - 16);
		size_t out_length = take(input, 2) % sizeof(out);

		memset(in, 0, sizeof(in));
		put_be16(in, groups[take(input, 1) % 9] + take(input, 1) % 24);
		put_be16(in + 6, take(input, 1) % 16);
		put_be32(in + 8, take(input, 1));
		for (i = take(input, 1) % 32; i; i--) {
			size_t at = take(input, 2) % (in_length - 8) & ~3u;

			put_be64(in + at, take_value(input, &w));
		}
		cmd_execute(&w.b.dev, in, in_length, out, out_length);
		world_turn(&w);
	}
	bench_destroy(&w.b);
}

static void fuzz_wqes(struct input *input)
{
	static const uint8_t opcodes[] = { WQE_NOP,   WQE_SEND_INVALIDATE, WQE_WRITE,
					   WQE_WRITE_IMM, WQE_SEND,	   WQE_SEND_IMM,
					   WQE_READ,  WQE_COMPARE_SWAP,	   WQE_FETCH_ADD,
					   WQE_UMR };
	struct world w;
	unsigned int i;

	world_init(&w, take(input, 1) & 1);
	while (input->length) {
		struct bench_qp *qp = &w.qp[take(input, 1) % 6];
		unsigned int units = take(input, 1) & 63;
		size_t at = (qp->sq_next & ((1 << BENCH_SQ_LOG) - 1)) * 64;
		uint8_t *ring = bench_at(&w.b, qp->sq), *rq = bench_at(&w.b, qp->rq);

		for (i = 16; i < units * 16u; i += 4)
			put_be32(ring + (at + i) % (64 << BENCH_SQ_LOG), take_value(input, &w));
		put_be32(ring + at, opcodes[take(input, 1) % 10]);
		put_be32(ring + at + 4, qp->number << 8 | units);
		put_be32(ring + at + 8, take(input, 1));
		put_be32(ring + at + 12, take_value(input, &w));
		put_be32(rq + take(input, 2) % 1020, take_value(input, &w));
		qp->sq_next += take(input, 1) % 32 ? (units + 3) / 4 : take(input, 2);
		qp->rq_next += take(input, 1) & 3;
		put_be32(bench_at(&w.b, qp->doorbell) + 4, qp->sq_next);
		put_be32(bench_at(&w.b, qp->doorbell), qp->rq_next);
		qp_doorbell(&w.b.dev, qp->number);
		world_turn(&w);
		if (w.b.dev.stats.page_faults > w.b.dev.stats.page_faults_resumed) {
			const uint8_t *e = bench_event(&w.b, w.b.fault_ring, &w.b.fault_seen);

			if (e)
				bench_resume(&w.b, e, take(input, 1) & 1);
		}
		/* out of the error state, or there would be nothing more to see */
		if (!(take(input, 1) & 7)) {
			bench_modify(&w.b, qp, MLX5_CMD_OP_2RST_QP, 0);
			qp->sq_next = 0;
			qp->rq_next = 0;
			bench_connect(&w.b, qp, qp < w.qp + 2 ? &w.qp[qp == w.qp] : qp);
		}
	}
	bench_destroy(&w.b);
}

static void fuzz_registers(struct input *input)
{
	static const uint16_t offsets[] = { 0x10, 0x14, 0x18, 0x20, 0x40, 0x48, 0x800, 0xa00 };
	struct world w;
	uint8_t data[64];
	unsigned int i;

	world_init(&w, false);
	for (i = 0; i < 4; i++)
		table_add(&w.b.dev.uars, &w);
	while (input->length) {
		uint64_t page = take(input, 1), offset = take(input, 1);
		size_t length = page & 0x80 ? 8 : 4;

		offset = offset & 0x80 ? take(input, 3) : (offset & 0x40 ? 0 : 16 + (page & 3)) << 12 |
							  offsets[offset & 7];
		put_be64(data, take_value(input, &w));
		if (length == 8)
			put_be32(data, take_value(input, &w) << 8);
		if (!(page & 0x70))
			length = take(input, 1) % sizeof(data);
		pci_bar_write(&w.b.dev, page & 8 ? take(input, 1) & 7 : 0, offset, data, length);
		pci_bar_read(&w.b.dev, take(input, 1) & 7, offset, data, length);
		world_turn(&w);
	}
	bench_destroy(&w.b);
}

static void fuzz_messages(struct input *input)
{
	static uint8_t payload[VFU_MESSAGE_MAX], reply[VFU_MESSAGE_MAX];
	struct dev dev;
	struct vfu vfu;
	unsigned int i;

	dev_init(&dev, &(struct dev_options){ 0 });
	vfu_init(&vfu, &dev, -1);
	while (input->length) {
		struct vfu_message m = {
			.id = 1, .command = take(input, 1) % 17, .payload = payload,
			.flags = take(input, 1), .length = take(input, 1),
		};

		for (i = 0; i + 4 <= m.length && i < 40; i += 4) {
			uint32_t v = take(input, 1);

			v = v & 0x80 ? take(input, 4) : v & 0x40 ? v << 12 : v & 15;
			memcpy(payload + i, &v, sizeof(v));
		}
		vfu_handle(&vfu, &m, reply);
	}
	vfu_destroy(&vfu);
	dev_destroy(&dev);
}

static const struct {
	const char *name;
	void (*run)(struct input *input);
} entries[] = {
	{ "commands", fuzz_commands },
	{ "wqes", fuzz_wqes },
	{ "registers", fuzz_registers },
	{ "messages", fuzz_messages },
};

static void (*find(const char *name))(struct input *input)
{
	size_t i;

	for (i = 0; name && i < sizeof(entries) / sizeof(entries[0]); i++)
		if (!strcmp(entries[i].name, name))
			return entries[i].run;
	fprintf(stderr, "mlx5-fuzz: no entry '%s'\n", name ? name : "");
	exit(2);
}

#ifdef MLX5_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct input input = { data, length };

	find(getenv("MLX5_FUZZ"))(&input);
	return 0;
}
#else
#define INPUT_MAX 4096

static uint64_t seed;

/* Of the round that ended badly: with it as SEED, that round is the first */
static void tell_seed(void)
{
	fprintf(stderr, "mlx5-fuzz: the seed was %#llx\n", (unsigned long long)seed);
}

static void tell_signal(int number)
{
	tell_seed();
	signal(number, SIG_DFL);
	raise(number);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

int main(int argc, char **argv)
{
	static uint8_t data[INPUT_MAX];
	struct dev random = { .random = argc > 3 ? strtoull(argv[3], NULL, 0) : dev_now() | 1 };
	uint64_t end, rounds = 0;
	size_t i;

	if (argc < 3 || !random.random) {
		fputs("usage: mlx5-fuzz ENTRY SECONDS [SEED]\n", stderr);
		return 2;
	}
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(tell_seed);
	else
		signal(SIGSEGV, tell_signal);
	signal(SIGABRT, tell_signal);
	end = dev_now() + strtoull(argv[2], NULL, 0) * 1000000000ull;
	do {
		struct input input = { data, sizeof(data) };

		seed = random.random;
		for (i = 0; i < sizeof(data); i++)
			data[i] = dev_random(&random) >> 24;
		find(argv[1])(&input);
		rounds++;
	} while (dev_now() < end);
	printf("%s: %llu rounds\n", argv[1], (unsigned long long)rounds);
	return 0;
}
#endif
