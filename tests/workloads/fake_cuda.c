/* A library that answers as CUDA's driver API does, with the host's memory in the place of every card's. The bytes
 * are really copied, so programs that use it can be seen to move the right ones; how fast says nothing about a GPU.
 *
 * FAKE_CUDA (words, separated by blanks): cards=N; spoil_host, spoil_peer (a bit of every copy to the host, to another
 * card is flipped); far (no card reaches another's memory); full (no memory can be taken); broken (cuInit fails); report (says
 * at the end what was not given back).
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef WITH_HEADER
typedef int CUresult, CUdevice;
typedef unsigned long long CUdeviceptr;
typedef void *CUcontext, *CUstream;
#define CUDAAPI
#define CUDA_SUCCESS 0
#define cuMemAlloc cuMemAlloc_v2
#define cuMemFree cuMemFree_v2
#define cuMemcpyHtoDAsync cuMemcpyHtoDAsync_v2
#define cuMemcpyDtoHAsync cuMemcpyDtoHAsync_v2
#define cuDevicePrimaryCtxRelease cuDevicePrimaryCtxRelease_v2
#endif

static int contexts[16], taken, retained;
static CUcontext current;

static const char *word(const char *name) {
    const char *all = getenv("FAKE_CUDA"), *at = all ? strstr(all, name) : NULL;
    return at ? at + strlen(name) : NULL;
}
static int number(const char *name, int otherwise) {
    const char *at = word(name);
    return at ? atoi(at) : otherwise;
}
static void spoil(const char *how, void *target) {
    if (word(how)) ((unsigned char *)target)[4096] ^= 1;
}
static void report(void) { fprintf(stderr, "not given back: %d buffers, %d contexts\n", taken, retained); }

CUresult CUDAAPI cuInit(unsigned int flags) {
    if (word("report")) atexit(report);
    return word("broken") ? 802 : CUDA_SUCCESS;
}
CUresult CUDAAPI cuGetErrorString(CUresult error, const char **text) {
    *text = error == 2 ? "out of memory" : error == 802 ? "system not yet initialized" : "invalid argument";
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuDeviceGetCount(int *count) { *count = number("cards=", 2); return CUDA_SUCCESS; }
CUresult CUDAAPI cuDeviceGet(CUdevice *device, int ordinal) { *device = ordinal; return CUDA_SUCCESS; }
CUresult CUDAAPI cuDeviceGetName(char *name, int size, CUdevice device) {
    snprintf(name, size, "NVIDIA Made Up");
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    *context = (CUcontext)&contexts[device];
    ++retained;
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuDevicePrimaryCtxRelease(CUdevice device) { --retained; return CUDA_SUCCESS; }
CUresult CUDAAPI cuCtxSetCurrent(CUcontext context) { current = context; return CUDA_SUCCESS; }
CUresult CUDAAPI cuCtxSynchronize(void) { return current ? CUDA_SUCCESS : 201; }
CUresult CUDAAPI cuMemAlloc(CUdeviceptr *address, size_t size) {
    if (!current) return 201;
    if (word("full")) return 2;
    ++taken;
    *address = (CUdeviceptr)(size_t)calloc(1, size);
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuMemFree(CUdeviceptr address) {
    --taken;
    free((void *)(size_t)address);
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuMemHostAlloc(void **address, size_t size, unsigned int flags) {
    if (!current) return 201;
    ++taken;
    *address = calloc(1, size);
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuMemFreeHost(void *address) {
    --taken;
    free(address);
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuMemcpyHtoDAsync(CUdeviceptr target, const void *source, size_t size, CUstream stream) {
    memcpy((void *)(size_t)target, source, size);
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuMemcpyDtoHAsync(void *target, CUdeviceptr source, size_t size, CUstream stream) {
    memcpy(target, (void *)(size_t)source, size);
    spoil("spoil_host", target);
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuMemcpyPeerAsync(CUdeviceptr target, CUcontext there, CUdeviceptr source, CUcontext here, size_t size,
                                   CUstream stream) {
    if (there == here || current != here) return 1;
    memcpy((void *)(size_t)target, (void *)(size_t)source, size);
    spoil("spoil_peer", (void *)(size_t)target);
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
    *can = device != peer && !word("far");
    return CUDA_SUCCESS;
}
CUresult CUDAAPI cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags) {
    static int before;
    return before++ ? 704 : CUDA_SUCCESS;
}
