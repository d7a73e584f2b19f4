// SPDX-License-Identifier: MIT
// The functions of FAISS's C API that retriever/vectors.c calls, for systems whose FAISS comes
// without libfaiss_c. The official headers are included, so the compiler checks every
// prototype; no exception leaves.
#include <faiss/Index.h>
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/impl/AuxIndexStructures_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/index_factory.h>

#include <exception>
#include <string>

namespace
{
thread_local std::string last_error;

template <class F> int guarded(F f)
{
    try {
        f();
        return 0;
    } catch (const std::exception &x) {
        last_error = x.what();
        return -2;
    } catch (...) {
        last_error = "unknown exception";
        return -1;
    }
}

faiss::Index *index_of(FaissIndex *i)
{
    return reinterpret_cast<faiss::Index *>(i);
}

const faiss::Index *index_of(const FaissIndex *i)
{
    return reinterpret_cast<const faiss::Index *>(i);
}
} // namespace

extern "C" {

const char *faiss_get_last_error()
{
    return last_error.c_str();
}

int faiss_index_factory(FaissIndex **out, int d, const char *description,
                        FaissMetricType metric)
{
    return guarded([&] {
        *out = reinterpret_cast<FaissIndex *>(
            faiss::index_factory(d, description, static_cast<faiss::MetricType>(metric)));
    });
}

void faiss_Index_free(FaissIndex *i)
{
    delete index_of(i);
}

idx_t faiss_Index_ntotal(const FaissIndex *i)
{
    return index_of(i)->ntotal;
}

int faiss_Index_add_with_ids(FaissIndex *i, idx_t n, const float *x, const idx_t *ids)
{
    return guarded([&] { index_of(i)->add_with_ids(n, x, ids); });
}

int faiss_Index_search(const FaissIndex *i, idx_t n, const float *x, idx_t k, float *distances,
                       idx_t *labels)
{
    return guarded([&] { index_of(i)->search(n, x, k, distances, labels); });
}

int faiss_Index_reconstruct(const FaissIndex *i, idx_t key, float *out)
{
    return guarded([&] { index_of(i)->reconstruct(key, out); });
}

int faiss_IDSelectorBatch_new(FaissIDSelectorBatch **out, size_t n, const idx_t *ids)
{
    return guarded([&] {
        // As upstream does, a pointer to the base goes out: it is what remove_ids takes.
        faiss::IDSelector *s = new faiss::IDSelectorBatch(n, ids);
        *out = reinterpret_cast<FaissIDSelectorBatch *>(s);
    });
}

void faiss_IDSelector_free(FaissIDSelector *s)
{
    delete reinterpret_cast<faiss::IDSelector *>(s);
}

int faiss_Index_remove_ids(FaissIndex *i, const FaissIDSelector *s, size_t *n)
{
    return guarded([&] {
        size_t removed =
            index_of(i)->remove_ids(*reinterpret_cast<const faiss::IDSelector *>(s));
        if (n)
            *n = removed;
    });
}
}
