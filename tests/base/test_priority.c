// SPDX-License-Identifier: MIT
#include "base/priority.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

static void *tell(void *arg)
{
    *(int *)arg = getpriority(PRIO_PROCESS, 0);
    return NULL;
}

struct steps {
    int rc, once, twice, started;
};

static void *step_back(void *arg)
{
    struct steps *s = arg;
    pthread_t thread;
    s->rc = priority_step_back();
    tell(&s->once);
    s->rc |= priority_step_back();
    tell(&s->twice);
    s->rc |= pthread_create(&thread, NULL, tell, &s->started) || pthread_join(thread, NULL);
    return NULL;
}

// Only the thread that asks for it, and those that it starts; once.
static void test_step_back(void **state)
{
    struct steps s;
    pthread_t thread;
    int before, after, other;
    (void)state;
    tell(&before);
    assert_int_equal(pthread_create(&thread, NULL, step_back, &s), 0);
    pthread_join(thread, NULL);
    assert_int_equal(pthread_create(&thread, NULL, tell, &other), 0);
    pthread_join(thread, NULL);
    tell(&after);
    assert_int_equal(s.rc, 0);
    assert_int_equal(after, before);
    assert_int_equal(other, before);
    assert_true(s.once > before || before == 19);
    assert_int_equal(s.twice, s.once);
    assert_int_equal(s.started, s.once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_step_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
