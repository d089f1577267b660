// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * mlx5 writes a table entry for each page of an MR, also for holes: for 1 TiB that takes half a
 * minute here. A process that is killed in the meantime exits at once.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"
#include "tap.h"

#define SPACE ((size_t)1 << 40)

_Noreturn static void registers(const void *arg, int to_parent)
{
	const struct mode *mode = arg;
	struct rig rig;
	void *space;

	rig_open(&rig);
	space = mmap(NULL, SPACE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED || write(to_parent, "", 1) != 1)
		_exit(1);
	mode_reg(mode, rig.pd, space, SPACE, (uintptr_t)space, ACCESS_ALL);
	_exit(1);
}

static void killed(struct rig *rig, const void *arg)
{
	pid_t pid = start_waiting(registers, arg);

	(void)rig;
	if (pid < 0)
		fatal("the process does not come to its registration");
	sleep_ms(3000);
	if (!ok(!waitpid(pid, NULL, WNOHANG), "the registration takes its time"))
		return;
	kill(pid, SIGKILL);
	process_ends(pid, soon() / 4, "its process goes when it is killed");
}

int main(void)
{
	static const struct mode *const modes[] = { &mode_odp, &mode_strict_4k };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		scenario(later(), killed, modes[i], "1 TiB, %s", modes[i]->name);
	return tap_done();
}
