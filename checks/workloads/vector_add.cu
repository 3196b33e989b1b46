// Does nvcc make programs that run? Adds two vectors on every GPU, and compares each sum with the host's.
//
//     nvcc -o vector_add vector_add.cu && ./vector_add
//
// The last line is one JSON object. Exit codes: 0 right; 1 a sum is wrong; 3 could not be run (no GPU, no driver).

#include <cstdio>
#include <vector>

#include <cuda_runtime.h>

constexpr int COUNT = 1 << 20;
constexpr int WRONG = 1, UNMEASURED = 3;

__global__ void add(const float *left, const float *right, float *sum, int count) {
    const int place = blockIdx.x * blockDim.x + threadIdx.x;
    if (place < count) sum[place] = left[place] + right[place];
}

static cudaError_t sums_on(int device, const std::vector<float> &left, const std::vector<float> &right,
                           std::vector<float> &sum) {
    const size_t size = COUNT * sizeof(float);
    float *memory[3] = {nullptr, nullptr, nullptr};
    cudaError_t error = cudaSetDevice(device);
    for (int i = 0; i < 3 && error == cudaSuccess; ++i)
        error = cudaMalloc(reinterpret_cast<void **>(&memory[i]), size);
    if (error == cudaSuccess) error = cudaMemcpy(memory[0], left.data(), size, cudaMemcpyHostToDevice);
    if (error == cudaSuccess) error = cudaMemcpy(memory[1], right.data(), size, cudaMemcpyHostToDevice);
    if (error == cudaSuccess) {
        add<<<(COUNT + 255) / 256, 256>>>(memory[0], memory[1], memory[2], COUNT);
        error = cudaGetLastError();
    }
    if (error == cudaSuccess) error = cudaMemcpy(sum.data(), memory[2], size, cudaMemcpyDeviceToHost);
    for (float *part : memory) cudaFree(part);
    return error;
}

static int could_not(const char *what, cudaError_t error) {
    std::printf("{\"error\": {\"what\": \"%s: %s\", \"code\": %d}, \"built_with\": %d}\n", what,
                cudaGetErrorString(error), static_cast<int>(error), CUDART_VERSION);
    return UNMEASURED;
}

int main() {
    int devices = 0;
    cudaError_t error = cudaGetDeviceCount(&devices);
    if (error != cudaSuccess) return could_not("no GPU can be used", error);
    // Whole numbers below 2^24: their sums are exact in float.
    std::vector<float> left(COUNT), right(COUNT), sum(COUNT);
    for (int i = 0; i < COUNT; ++i) left[i] = i, right[i] = 3 * (i % 1000);
    int wrong = 0;
    for (int device = 0; device < devices; ++device) {
        sum.assign(COUNT, -1.0F);
        error = sums_on(device, left, right, sum);
        if (error != cudaSuccess) {
            char what[32];
            std::snprintf(what, sizeof what, "GPU %d", device);
            return could_not(what, error);
        }
        for (int i = 0; i < COUNT; ++i) wrong += sum[i] != left[i] + right[i];
    }
    std::printf("{\"devices\": %d, \"wrong\": %d, \"built_with\": %d}\n", devices, wrong, CUDART_VERSION);
    return wrong ? WRONG : 0;
}
