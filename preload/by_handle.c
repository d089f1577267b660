// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Interposes dlsym(3) and dlvsym(3). Each call jumps to the C library's function, with the return
 * address of its caller, unless it looks up one of the interposed functions on a handle.
 *
 * Both may be called before any constructor, by the run time of a sanitizer for example. So no
 * function of another object is called here until it is known that the call is about libibverbs.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "by_handle.h"
#include "libibverbs.h"

#if BY_HANDLE

#define HIDDEN __attribute__((visibility("hidden")))

/* The functions of the C library, or of an object that interposes them, too. */
HIDDEN void *(*by_handle_dlsym)(void *handle, const char *name);
HIDDEN void *(*by_handle_dlvsym)(void *handle, const char *name, const char *version);

void *by_handle_find(void *handle, const char *name, const char *version,
		     const void *caller) HIDDEN;

/* The caller pushed its return address; the stack is aligned for the call. */
__asm__(".text\n"
	".globl dlsym\n"
	".type dlsym, @function\n"
	"dlsym:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	subq $24, %rsp\n"
	"	.cfi_adjust_cfa_offset 24\n"
	"	movq %rdi, (%rsp)\n"
	"	movq %rsi, 8(%rsp)\n"
	"	xorl %edx, %edx\n"
	"	movq 24(%rsp), %rcx\n"
	"	call by_handle_find\n"
	"	movq (%rsp), %rdi\n"
	"	movq 8(%rsp), %rsi\n"
	"	addq $24, %rsp\n"
	"	.cfi_adjust_cfa_offset -24\n"
	"	testq %rax, %rax\n"
	"	jne 1f\n"
	"	jmp *by_handle_dlsym(%rip)\n"
	"1:	ret\n"
	"	.cfi_endproc\n"
	".size dlsym, . - dlsym\n"
	".globl dlvsym\n"
	".type dlvsym, @function\n"
	"dlvsym:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	subq $24, %rsp\n"
	"	.cfi_adjust_cfa_offset 24\n"
	"	movq %rdi, (%rsp)\n"
	"	movq %rsi, 8(%rsp)\n"
	"	movq %rdx, 16(%rsp)\n"
	"	movq 24(%rsp), %rcx\n"
	"	call by_handle_find\n"
	"	movq (%rsp), %rdi\n"
	"	movq 8(%rsp), %rsi\n"
	"	movq 16(%rsp), %rdx\n"
	"	addq $24, %rsp\n"
	"	.cfi_adjust_cfa_offset -24\n"
	"	testq %rax, %rax\n"
	"	jne 2f\n"
	"	jmp *by_handle_dlvsym(%rip)\n"
	"2:	ret\n"
	"	.cfi_endproc\n"
	".size dlvsym, . - dlvsym\n");

static bool is_same(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	return *a == *b;
}

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

struct symbols {
	const uint32_t *hash; /* DT_GNU_HASH */
	const ElfW(Sym) * symbols;
	const char *strings;
};

/* The dynamic linker has made the addresses in this section absolute. */
static struct symbols symbols_of(const struct link_map *map)
{
	struct symbols found = { 0 };
	const ElfW(Dyn) * entry;

	for (entry = map->l_ld; entry && entry->d_tag != DT_NULL; entry++) {
		/* those of the vDSO are relative */
		if (entry->d_un.d_ptr < map->l_addr)
			continue;
		if (entry->d_tag == DT_GNU_HASH)
			found.hash = (const uint32_t *)entry->d_un.d_ptr;
		else if (entry->d_tag == DT_SYMTAB)
			found.symbols = (const ElfW(Sym) *)entry->d_un.d_ptr;
		else if (entry->d_tag == DT_STRTAB)
			found.strings = (const char *)entry->d_un.d_ptr;
	}
	return found;
}

/* The function with this name that the object defines, or NULL. */
static void *defined_in(const struct link_map *map, const char *name)
{
	const struct symbols in = symbols_of(map);
	const uint32_t hash = hash_of(name);
	uint32_t buckets, offset, words, i;
	const uint32_t *bucket, *chain;
	const ElfW(Sym) * symbol;

	if (!in.hash || !in.symbols || !in.strings || !in.hash[0])
		return NULL;
	buckets = in.hash[0];
	offset = in.hash[1];
	words = in.hash[2] * (uint32_t)(sizeof(ElfW(Addr)) / sizeof(uint32_t));
	bucket = in.hash + 4 + words;
	chain = bucket + buckets;
	i = bucket[hash % buckets];
	if (i < offset)
		return NULL;
	/* the last one of a chain has bit 0 */
	for (;; i++) {
		symbol = &in.symbols[i];
		if ((chain[i - offset] | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
		    ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
		    is_same(in.strings + symbol->st_name, name))
			return (void *)(map->l_addr + symbol->st_value);
		if (chain[i - offset] & 1)
			return NULL;
	}
}

extern const ElfW(Dyn) own_section[] __asm__("_DYNAMIC") HIDDEN;
extern const ElfW(Ehdr) own_header __asm__("__ehdr_start") HIDDEN;

/* Whether the address is in this module. */
static bool is_own(const void *addr)
{
	const uintptr_t start = (uintptr_t)&own_header, at = (uintptr_t)addr;
	const ElfW(Phdr) *segment = (const ElfW(Phdr) *)(start + own_header.e_phoff);
	bool found = false;
	size_t i;

	for (i = 0; i < own_header.e_phnum && !found; i++)
		found = segment[i].p_type == PT_LOAD && at >= start + segment[i].p_vaddr &&
			at - (start + segment[i].p_vaddr) < segment[i].p_memsz;
	return found;
}

static void *no_dlsym(void *handle, const char *name)
{
	(void)handle;
	(void)name;
	return NULL;
}

static void *no_dlvsym(void *handle, const char *name, const char *version)
{
	(void)handle;
	(void)name;
	(void)version;
	return NULL;
}

/* Find the next definitions after those of this module. Threads that race find the same. */
static void find_next(void)
{
	const struct link_map *map = _r_debug.r_map;
	void *by_name = NULL, *by_version = NULL;

	while (map && map->l_ld != own_section)
		map = map->l_next;
	for (map = map ? map->l_next : NULL; map && !(by_name && by_version); map = map->l_next) {
		if (!by_name)
			by_name = defined_in(map, "dlsym");
		if (!by_version)
			by_version = defined_in(map, "dlvsym");
	}
	by_handle_dlvsym =
		by_version ? (void *(*)(void *, const char *, const char *))by_version : no_dlvsym;
	__atomic_store_n(&by_handle_dlsym,
			 by_name ? (void *(*)(void *, const char *))by_name : no_dlsym,
			 __ATOMIC_RELEASE);
}

/* Their addresses are those that the program gets when it refers to the functions itself. */
extern char ours_reg_mr[] __asm__("ibv_reg_mr");
extern char ours_reg_mr_iova[] __asm__("ibv_reg_mr_iova");
extern char ours_reg_mr_iova2[] __asm__("ibv_reg_mr_iova2");
extern char ours_reg_mr_ex[] __asm__("ibv_reg_mr_ex");
extern char ours_rereg_mr[] __asm__("ibv_rereg_mr");
extern char ours_dereg_mr[] __asm__("ibv_dereg_mr");

struct function {
	const char *name;
	const char *version;
	void *ours;
};

static bool find_function(const char *name, struct function *function)
{
	const struct function functions[] = {
		{ "ibv_reg_mr", "IBVERBS_1.1", ours_reg_mr },
		{ "ibv_reg_mr_iova", "IBVERBS_1.7", ours_reg_mr_iova },
		{ "ibv_reg_mr_iova2", "IBVERBS_1.8", ours_reg_mr_iova2 },
		{ "ibv_reg_mr_ex", "IBVERBS_1.15", ours_reg_mr_ex },
		{ "ibv_rereg_mr", "IBVERBS_1.1", ours_rereg_mr },
		{ "ibv_dereg_mr", "IBVERBS_1.1", ours_dereg_mr },
	};
	size_t i;

	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (is_same(functions[i].name, name)) {
			*function = functions[i];
			return true;
		}
	}
	return false;
}

/*
 * The interposed function for a lookup of libibverbs' own, or NULL to leave the lookup to the C
 * library. @version is NULL for dlsym().
 */
void *by_handle_find(void *handle, const char *name, const char *version, const void *caller)
{
	struct function function;
	void *theirs;
	Dl_info info;

	if (!__atomic_load_n(&by_handle_dlsym, __ATOMIC_ACQUIRE))
		find_next();
	if (handle == RTLD_NEXT || handle == RTLD_DEFAULT || !name || is_own(caller) ||
	    !find_function(name, &function))
		return NULL;
	/* other versions have other structs */
	if (version && !is_same(version, function.version))
		return NULL;
	theirs = by_handle_dlvsym(handle, name, function.version);
	if (!theirs || (!version && by_handle_dlsym(handle, name) != theirs))
		return NULL;
	if (!dladdr(theirs, &info) || !libibverbs_is_name(info.dli_fname))
		return NULL;
	libibverbs_opened_by(caller, handle);
	return function.ours;
}

#endif
