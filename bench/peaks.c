// SPDX-License-Identifier: MIT
// peaks [THREADS]
// What this machine can do at most, measured: 8-bit multiply-adds a second by the widest
// instruction that the engine uses, counted as two operations each, and bytes read from memory
// a second. Prints two lines, "int8 GOP_PER_S" and "memory GB_PER_S": the best of several
// tries, since a peak is what nothing disturbs.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define TRIES 7
#define THREADS_MAX 256
#define ROUNDS 4000000
#define BYTES ((size_t)256 << 20) // a thread reads so much: far more than caches hold

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#if defined(__x86_64__)
#include <immintrin.h>

// Twelve sums that do not wait for each other, so that only throughput counts.
__attribute__((target("avx512f,avx512vnni"))) static double ops_avx512(void)
{
    __m512i s[12], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-2);
    for (int i = 0; i < 12; i++)
        s[i] = _mm512_set1_epi32(i);
    for (long r = 0; r < ROUNDS; r++) {
        __asm__ volatile("" : "+v"(a), "+v"(b));
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++)
            s[i] = _mm512_dpbusd_epi32(s[i], a, b);
    }
    for (int i = 0; i < 12; i++)
        __asm__ volatile("" : : "v"(s[i]));
    return 12.0 * 64 * 2 * ROUNDS;
}

__attribute__((target("avx2"))) static double ops_avx2(void)
{
    __m256i s[8], a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-2), one = _mm256_set1_epi16(1);
    for (int i = 0; i < 8; i++)
        s[i] = _mm256_set1_epi32(i);
    for (long r = 0; r < ROUNDS; r++) {
        __asm__ volatile("" : "+x"(a), "+x"(b));
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            s[i] = _mm256_add_epi32(s[i], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), one));
    }
    for (int i = 0; i < 8; i++)
        __asm__ volatile("" : : "x"(s[i]));
    return 8.0 * 32 * 2 * ROUNDS;
}

static double ops(void)
{
    return __builtin_cpu_supports("avx512vnni") ? ops_avx512()
           : __builtin_cpu_supports("avx2")     ? ops_avx2()
                                                : 0;
}
#else
static double ops(void)
{
    return 0;
}
#endif

static double read_all(const uint64_t *p)
{
    typedef uint64_t wide __attribute__((vector_size(64)));
    wide sum[4] = {{0}};
    for (const wide *w = (const wide *)(const void *)p, *end = w + BYTES / sizeof *w; w < end;
         w += 4)
        for (int i = 0; i < 4; i++)
            sum[i] ^= w[i];
    for (int i = 0; i < 4; i++)
        __asm__ volatile("" : : "m"(sum[i]));
    return (double)BYTES;
}

struct job {
    pthread_t thread;
    pthread_barrier_t *start;
    const uint64_t *memory; // NULL: multiply
    double done, began, ended;
};

static void *work(void *arg)
{
    struct job *j = arg;
    pthread_barrier_wait(j->start);
    j->began = now_s();
    j->done = j->memory ? read_all(j->memory) : ops();
    j->ended = now_s();
    return NULL;
}

// All threads together, from the first that began to the last that ended.
static double rate(struct job *jobs, unsigned n, char *memory)
{
    pthread_barrier_t start;
    double best = 0;
    pthread_barrier_init(&start, NULL, n);
    for (int i = 0; i < TRIES; i++) {
        double done = 0, began = 1e300, ended = 0;
        for (unsigned k = 0; k < n; k++) {
            jobs[k].start = &start;
            jobs[k].memory =
                memory ? (const uint64_t *)(const void *)(memory + k * BYTES) : NULL;
            if (pthread_create(&jobs[k].thread, NULL, work, &jobs[k])) {
                fprintf(stderr, "peaks: cannot start %u threads\n", n);
                exit(1);
            }
        }
        for (unsigned k = 0; k < n; k++) {
            pthread_join(jobs[k].thread, NULL);
            done += jobs[k].done;
            began = jobs[k].began < began ? jobs[k].began : began;
            ended = jobs[k].ended > ended ? jobs[k].ended : ended;
        }
        best = done / (ended - began) > best ? done / (ended - began) : best;
    }
    pthread_barrier_destroy(&start);
    return best / 1e9;
}

int main(int argc, char **argv)
{
    static struct job jobs[THREADS_MAX];
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    if (n < 1 || n > THREADS_MAX) {
        fprintf(stderr, "usage: peaks [THREADS], from 1 to %d\n", THREADS_MAX);
        return 2;
    }
    size_t bytes = BYTES * (size_t)n;
    char *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        fprintf(stderr, "peaks: no %zu bytes of memory\n", bytes);
        return 1;
    }
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 1, bytes);
    printf("int8 %.0f\n", rate(jobs, (unsigned)n, NULL));
    printf("memory %.1f\n", rate(jobs, (unsigned)n, memory));
    munmap(memory, bytes);
    return 0;
}
