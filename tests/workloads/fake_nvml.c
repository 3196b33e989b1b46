/* A library that answers as NVML does, for as many cards as asked, with the faults asked for. Nothing here measures.
 *
 * FAKE_NVML (words, separated by blanks): cards=N; lost=S (card 1 is gone S seconds after the start); hang=S (card 1
 * never answers again from then); hang_init; denied (no permission to see programs); pid=N (a foreign program on
 * card 0); many (more programs than a first buffer holds); busy (in use before the start); mig.
 * Compiled with -DOLD it lacks what drivers before R535 lack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int ret;
typedef struct card *dev;
struct card { int index; };
static struct card cards[16];
static double started;

static const char *word(const char *name) {
    const char *all = getenv("FAKE_NVML"), *at = all ? strstr(all, name) : NULL;
    return at ? at + strlen(name) : NULL;
}
static double number(const char *name, double otherwise) {
    const char *at = word(name);
    return at ? atof(at) : otherwise;
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static ret state(dev d) {
    double since = now() - started;
    if (d->index == 1 && since > number("hang=", 1e9)) for (;;) pause();
    return d->index == 1 && since > number("lost=", 1e9) ? 15 : 0;
}
#define SAYS(name, type, value) \
    ret name(dev d, type *out) { ret r = state(d); if (!r) *out = (value); return r; }
#define SAYS_OF(name, type, value) \
    ret name(dev d, unsigned which, type *out) { ret r = state(d); if (!r) *out = (value); return r; }

ret nvmlInit_v2(void) { started = now(); while (word("hang_init")) pause(); return 0; }
ret nvmlInitWithFlags(unsigned flags) { return nvmlInit_v2(); }
const char *nvmlErrorString(ret r) {
    return r == 15 ? "GPU is lost" : r == 3 ? "Not Supported" : r == 4 ? "Insufficient Permissions" : "Unknown Error";
}
ret nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "580.95.05"); return 0; }
ret nvmlDeviceGetCount_v2(unsigned *count) { *count = number("cards=", 2); return 0; }
ret nvmlDeviceGetHandleByIndex_v2(unsigned index, dev *out) {
    cards[index].index = index;
    *out = &cards[index];
    return 0;
}
ret nvmlDeviceGetName(dev d, char *text, unsigned size) {
    snprintf(text, size, "NVIDIA GeForce GTX 1060 6GB");
    return state(d);
}
ret nvmlDeviceGetUUID(dev d, char *text, unsigned size) {
    snprintf(text, size, "GPU-0000000%d", d->index);
    return state(d);
}
struct pci { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; };
ret nvmlDeviceGetPciInfo_v3(dev d, struct pci *out) {
    memset(out, 0, sizeof *out);
    out->bus = d->index + 1;
    return state(d);
}
struct memory { unsigned long long total, free, used; };
ret nvmlDeviceGetMemoryInfo(dev d, struct memory *out) {
    *out = (struct memory){6ULL << 30, 5ULL << 30, 1ULL << 30};
    return state(d);
}
struct use { unsigned gpu, memory; };
ret nvmlDeviceGetUtilizationRates(dev d, struct use *out) {
    *out = (struct use){now() - started > 0.3 || word("busy") ? 97 : 0, 40};
    return state(d);
}
SAYS_OF(nvmlDeviceGetClockInfo, unsigned, which == 1 ? 1700 + d->index : 4000)
SAYS_OF(nvmlDeviceGetMaxClockInfo, unsigned, which == 1 ? 1900 : 4004)
SAYS_OF(nvmlDeviceGetTemperature, unsigned, 61)
SAYS(nvmlDeviceGetPowerUsage, unsigned, 101500)
SAYS(nvmlDeviceGetPerformanceState, int, 2)
SAYS(nvmlDeviceGetCurrPcieLinkGeneration, unsigned, 3)
SAYS(nvmlDeviceGetCurrPcieLinkWidth, unsigned, 8)
SAYS(nvmlDeviceGetMaxPcieLinkGeneration, unsigned, 3)
SAYS(nvmlDeviceGetGpuMaxPcieLinkGeneration, unsigned, 3)
SAYS(nvmlDeviceGetMaxPcieLinkWidth, unsigned, 16)
SAYS(nvmlDeviceGetPowerManagementDefaultLimit, unsigned, 120000)
SAYS(nvmlDeviceGetPowerManagementLimit, unsigned, 120000)
SAYS(nvmlDeviceGetPersistenceMode, unsigned, 1)
SAYS(nvmlDeviceGetComputeMode, unsigned, 0)
SAYS(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, 0x4)
ret nvmlDeviceGetPcieThroughput(dev d, unsigned which, unsigned *out) {
    usleep(20000);
    *out = 1000 * (which + 1);
    return state(d);
}
ret nvmlDeviceGetTemperatureThreshold(dev d, unsigned which, unsigned *out) {
    if (which != 1) return 3;
    *out = 99;
    return state(d);
}
ret nvmlDeviceGetMigMode(dev d, unsigned *current, unsigned *pending) {
    if (!word("mig")) return 3;
    *current = *pending = 1;
    return state(d);
}
#ifndef OLD
SAYS(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, 0x4)
struct margin { unsigned version; int margin; };
ret nvmlDeviceGetMarginTemperature(dev d, struct margin *out) {
    if (out->version != 0x1000008) return 25;
    out->margin = 38;
    return state(d);
}
#endif
struct process { unsigned pid; unsigned long long memory; unsigned gpu, compute; };
static ret programs(dev d, unsigned *count, struct process *out) {
    unsigned there = word("many") ? 100 : word("pid=") && d->index == 0;
    if (word("denied")) return 4;
    if (*count < there) { *count = there; return 7; }
    for (unsigned i = 0; i < there; ++i) out[i] = (struct process){number("pid=", 1) + i, -1ULL, 0, 0};
    *count = there;
    return state(d);
}
#ifndef OLD
ret nvmlDeviceGetComputeRunningProcesses_v3(dev d, unsigned *count, struct process *out) { return programs(d, count, out); }
#endif
ret nvmlDeviceGetComputeRunningProcesses_v2(dev d, unsigned *count, struct process *out) { return programs(d, count, out); }
