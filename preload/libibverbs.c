// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "libibverbs.h"

/* More objects than register memory in any known program; others are looked up in each call. */
#define OBJECTS 64

_Thread_local const struct libibverbs *libibverbs_inside;

struct copy {
	struct copy *next;
	struct libibverbs functions;
};

/* An object that looked up functions on a handle. */
struct opener {
	struct opener *next;
	const struct libibverbs *libibverbs;
	uintptr_t start;
	char name[];
};

/*
 * No function of the dynamic linker is called with the lock held: a constructor that runs below
 * dlopen(3), and holds the linker's lock, may register memory.
 */
static struct {
	unsigned long long unloaded; /* objects that dlclose(3) had removed when this was valid */
	size_t count;
	struct object objects[OBJECTS];
	struct copy *copies;	/* kept for ever: other threads may be using them */
	struct opener *openers; /* the last one first */
} cache;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool linked; /* libibverbs was there when the program started */

static void take_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void release_lock(void)
{
	pthread_mutex_unlock(&lock);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool libibverbs_is_name(const char *path)
{
	return !strncmp(base_name(path), "libibverbs.so", 13);
}

static int find_libibverbs_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	return libibverbs_is_name(info->dlpi_name);
}

void libibverbs_start(void)
{
	linked = dl_iterate_phdr(find_libibverbs_object, NULL);
	/* a child must not wait for a thread that it does not have */
	pthread_atfork(take_lock, release_lock, release_lock);
}

struct search {
	uintptr_t addr;
	unsigned long long unloaded;
	uintptr_t start;
	uintptr_t end;
	char name[4096]; /* of the object with the address; empty for the program */
	char any[4096];	 /* of a copy of libibverbs, or empty */
};

static void copy_name(char *to, size_t room, const char *name)
{
	/* the name of a file that could be opened is shorter */
	if (strlen(name) < room)
		memcpy(to, name, strlen(name) + 1);
}

static int count_unloaded(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(unsigned long long *)arg = info->dlpi_subs;
	return 1;
}

static int check_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *search = arg;
	uintptr_t start, end, low = UINTPTR_MAX, high = 0;
	bool found = false;
	size_t i;

	(void)size;
	search->unloaded = info->dlpi_subs;
	if (!*search->any && libibverbs_is_name(info->dlpi_name))
		copy_name(search->any, sizeof(search->any), info->dlpi_name);
	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		end = start + info->dlpi_phdr[i].p_memsz;
		found = found || (search->addr >= start && search->addr < end);
		low = start < low ? start : low;
		high = end > high ? end : high;
	}
	if (found) {
		search->start = low;
		search->end = high;
		copy_name(search->name, sizeof(search->name), info->dlpi_name);
	}
	return 0;
}

/*
 * Find the object with the address. The names are too large for the smallest stack that a thread may
 * have, and malloc() may be a function that registers memory. Returns NULL if there is no memory.
 */
static struct search *search_start(const void *addr)
{
	struct search *search = mmap(NULL, sizeof(*search), PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (search == MAP_FAILED)
		return NULL;
	search->addr = (uintptr_t)addr;
	dl_iterate_phdr(check_object, search);
	return search;
}

static void search_end(struct search *search)
{
	munmap(search, sizeof(*search));
}

/* Look up all functions; @handle is RTLD_NEXT, or the caller's. */
static bool find_functions(void *handle, struct libibverbs *to)
{
	const struct {
		void *to;
		const char *name, *version;
	} functions[] = {
		{ &to->reg_mr, "ibv_reg_mr", "IBVERBS_1.1" },
		{ &to->reg_mr_iova, "ibv_reg_mr_iova", "IBVERBS_1.7" },
		{ &to->reg_mr_iova2, "ibv_reg_mr_iova2", "IBVERBS_1.8" },
		{ &to->reg_mr_ex, "ibv_reg_mr_ex", "IBVERBS_1.15" },
		{ &to->rereg_mr, "ibv_rereg_mr", "IBVERBS_1.1" },
		{ &to->dereg_mr, "ibv_dereg_mr", "IBVERBS_1.1" },
		{ &to->reg_dmabuf_mr, "ibv_reg_dmabuf_mr", "IBVERBS_1.12" },
		{ &to->import_mr, "ibv_import_mr", "IBVERBS_1.10" },
		{ &to->get_device_name, "ibv_get_device_name", "IBVERBS_1.1" },
		{ &to->query_device, "ibv_query_device", "IBVERBS_1.1" },
	};
	size_t i;

	memset(to, 0, sizeof(*to));
	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		*(void **)functions[i].to = dlvsym(handle, functions[i].name, functions[i].version);
	return to->dereg_mr && to->reg_mr;
}

static bool find_below(const char *name, struct libibverbs *to)
{
	void *handle = *name ? dlopen(name, RTLD_NOLOAD | RTLD_LAZY) : NULL;
	bool found;

	if (!handle)
		return false;
	found = find_functions(handle, to);
	dlclose(handle);
	return found;
}

/*
 * The order of the dynamic linker: first the program and its libraries, then the libraries of an
 * object that was loaded by dlopen(3). The last resort is for a caller that jumps to the function
 * as its own last step, so that the return address is in another object.
 */
static void find_libibverbs(const struct search *search, struct libibverbs *to)
{
	if (!find_functions(RTLD_NEXT, to) && !find_below(search->name, to) &&
	    !find_below(search->any, to))
		memset(to, 0, sizeof(*to));
	/* the program may ask for its own last error */
	dlerror();
}

/* The lock is held. */
static const struct libibverbs *find_copy(const struct libibverbs *functions)
{
	const struct copy *copy;

	for (copy = cache.copies; copy; copy = copy->next) {
		if (!memcmp(&copy->functions, functions, sizeof(*functions)))
			return &copy->functions;
	}
	return NULL;
}

/* A copy with these functions, or NULL if there is no memory for it. */
static const struct libibverbs *keep_copy(const struct libibverbs *functions)
{
	const struct libibverbs *found;
	struct copy *copy;

	take_lock();
	found = find_copy(functions);
	release_lock();
	if (found)
		return found;
	/* not with the lock held: an allocator may register the memory that it allocates */
	copy = malloc(sizeof(*copy));
	if (!copy)
		return NULL;
	copy->functions = *functions;
	take_lock();
	copy->next = cache.copies;
	cache.copies = copy;
	release_lock();
	return &copy->functions;
}

/* What the object that was found opened itself, or NULL. */
static const struct libibverbs *find_opened(const struct search *search)
{
	const struct libibverbs *found = NULL;
	const struct opener *opener;

	take_lock();
	for (opener = cache.openers; opener && !found; opener = opener->next) {
		if (opener->start == search->start && !strcmp(opener->name, search->name))
			found = opener->libibverbs;
	}
	release_lock();
	return found;
}

void libibverbs_opened_by(const void *caller, void *handle)
{
	struct search *search = search_start(caller);
	const struct libibverbs *kept = NULL;
	struct libibverbs functions;
	struct opener *opener;
	size_t len;

	if (search && search->end && find_functions(handle, &functions))
		kept = keep_copy(&functions);
	if (kept && find_opened(search) != kept) {
		len = strlen(search->name) + 1;
		opener = malloc(sizeof(*opener) + len);
		if (opener) {
			opener->libibverbs = kept;
			opener->start = search->start;
			memcpy(opener->name, search->name, len);
			take_lock();
			opener->next = cache.openers;
			cache.openers = opener;
			cache.count = 0;
			release_lock();
		}
	}
	if (search)
		search_end(search);
	/* a copy may be too old to have all functions */
	dlerror();
}

static bool find_cached(uintptr_t caller, struct object *object)
{
	unsigned long long unloaded = 0;
	bool found = false;
	size_t i;

	dl_iterate_phdr(count_unloaded, &unloaded);
	take_lock();
	if (cache.unloaded != unloaded) {
		cache.count = 0;
		cache.unloaded = unloaded;
	}
	for (i = 0; i < cache.count && !found; i++) {
		found = caller >= cache.objects[i].start && caller < cache.objects[i].end;
		*object = cache.objects[i];
	}
	release_lock();
	return found;
}

bool libibverbs_was_opened(void)
{
	return !linked && dl_iterate_phdr(find_libibverbs_object, NULL);
}

struct object libibverbs_of(const void *caller)
{
	static const struct libibverbs none;
	struct object object = { .libibverbs = &none };
	const struct libibverbs *kept;
	struct libibverbs functions;
	struct search *search;

	if (find_cached((uintptr_t)caller, &object))
		return object;
	search = search_start(caller);
	if (!search)
		return (struct object){ .libibverbs = &none };
	kept = find_opened(search);
	if (!kept) {
		find_libibverbs(search, &functions);
		kept = keep_copy(&functions);
	}
	object = (struct object){
		.start = search->start,
		.end = search->end,
		.libhugeodp = !strncmp(base_name(search->name), "libhugeodp.so", 13),
		.libibverbs = kept ? kept : &none,
	};
	take_lock();
	/* code that was generated at run time is in no object */
	if (search->end && cache.unloaded == search->unloaded && cache.count < OBJECTS &&
	    object.libibverbs->dereg_mr)
		cache.objects[cache.count++] = object;
	release_lock();
	search_end(search);
	return object;
}

void *libibverbs_next(const void *caller, const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);
	struct search *search = function ? NULL : search_start(caller);
	void *handle;

	if (search) {
		handle = *search->name ? dlopen(search->name, RTLD_NOLOAD | RTLD_LAZY) : NULL;
		if (handle) {
			function = dlsym(handle, name);
			dlclose(handle);
		}
		search_end(search);
	}
	dlerror();
	return function;
}

/*
 * The functions that libhugeodp's objects call. They are hidden in this module, and reach the copy
 * of the call that was intercepted.
 */
static const struct libibverbs *now(void)
{
	static const struct libibverbs none;

	return libibverbs_inside ? libibverbs_inside : &none;
}

const char *ibv_get_device_name(struct ibv_device *device)
{
	return now()->get_device_name ? now()->get_device_name(device) : device->name;
}

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	return now()->query_device ? now()->query_device(context, attr) : EOPNOTSUPP;
}

static struct ibv_mr *not_supported(void)
{
	errno = EOPNOTSUPP;
	return NULL;
}

struct ibv_mr *ibv_import_mr(struct ibv_pd *pd, uint32_t handle)
{
	return now()->import_mr ? now()->import_mr(pd, handle) : not_supported();
}

struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length, uint64_t iova,
				 int fd, int access)
{
	if (!now()->reg_dmabuf_mr)
		return not_supported();
	return now()->reg_dmabuf_mr(pd, offset, length, iova, fd, access);
}
