#include "client/overload.h"

#include <string.h>

#include "tests/unit/common/suite.h"

#define NOW 1580806177000000ULL /* Tue, 04 Feb 2020 08:49:37 GMT */

START_TEST(the_header_is_as_ts_29500_has_it) {
    char text[OVERLOAD_TEXT_SIZE];

    overload_oci(NOW, "54804518-4191-46b3-955c-ac631f953ed8", text);
    ck_assert_str_eq(text, "Timestamp: \"Tue, 04 Feb 2020 08:49:37 GMT\"; Period-of-Validity: 10s; "
                           "Overload-Reduction-Metric: 10%; NF-Instance: "
                           "54804518-4191-46b3-955c-ac631f953ed8");
    overload_oci(NOW, NULL, text);
    ck_assert_ptr_nonnull(strstr(text, "; Service-Name: nacme-enrolment"));
}
END_TEST

START_TEST(the_reduction_is_the_share_refused_lately) {
    char text[OVERLOAD_TEXT_SIZE];

    for (int i = 0; i < 100; i++) {
        overload_count(NOW, i % 4 == 0);
    }
    overload_oci(NOW + 1000000, "", text);
    ck_assert_ptr_nonnull(strstr(text, "Metric: 25%"));
    overload_oci(NOW + 20000000, "", text);
    ck_assert_ptr_nonnull(strstr(text, "Metric: 10%"));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        the_header_is_as_ts_29500_has_it,
        the_reduction_is_the_share_refused_lately,
    };

    return suite_run("client/overload", tests, COUNT(tests));
}
