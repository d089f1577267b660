// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Calls a library that uses libibverbs, linked (-DMIDDLE) or loaded (-DOPENS; "-" unloads it,
 * "fork" forks a child), or calls libibverbs by functions of its handle (-DHANDLE), or looks up the next
 * function with a name (-DNEXT=NUMBER: the program, and libraries that it is linked with), or does
 * nothing (-DSTATIC).
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef MIDDLE
void plugin(void);

int main(void)
{
	plugin();
	return 0;
}
#endif

#ifdef OPENS
int main(int argc, char **argv)
{
	void *handle = NULL;
	void (*plugin)(void);
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "fork")) {
			if (!fork())
				return 0;
			wait(NULL);
			continue;
		}
		if (!strcmp(argv[i], "-")) {
			dlclose(handle);
			continue;
		}
		handle = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
		if (!handle) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		*(void **)&plugin = dlsym(handle, "plugin");
		plugin();
	}
	return 0;
}
#endif

#ifdef HANDLE
int main(void)
{
	void *handle = dlopen("libibverbs.so.1", RTLD_NOW);
	void (*function)(void);

	if (!handle)
		return 1;
	*(void **)&function = dlsym(handle, "ibv_new_function");
	function();
	return 0;
}
#endif

#ifdef NEXT
void which(void);

/* Each object finds the one after it. */
void which(void)
{
	void (*next)(void);

	*(void **)&next = dlsym(RTLD_NEXT, "which");
	printf("%d\n", NEXT);
	if (next)
		next();
	*(void **)&next = dlvsym(RTLD_NEXT, "which", "NONE");
	if (next)
		printf("%d: a version\n", NEXT);
}

#if NEXT == 0
int main(void)
{
	void (*first)(void);

	*(void **)&first = dlsym(RTLD_DEFAULT, "which");
	first();
	*(void **)&first = dlsym(dlopen(NULL, RTLD_NOW), "which");
	first();
	return 0;
}
#endif
#endif

#ifdef STATIC
int main(void)
{
	return 0;
}
#endif
