//! How many requests ARM says are left.
//!
//! Each kind of request of a principal in a subscription has a bucket that is refilled every second: 250 reads, 200 writes,
//! 200 deletes; all principals together have 15 times as much (`azure-docs: request-limits-and-throttling.md`). Nothing is
//! counted here: a bucket is full but for the request itself, and empty where a fault asks for it.

use axum::http::Method;

/// Names and values of the headers that an answer carries.
pub(super) fn remaining(method: &Method, throttled: bool) -> [(&'static str, &'static str); 2] {
    let (own, all, left, left_of_all) = match *method {
        Method::GET | Method::HEAD => (
            "x-ms-ratelimit-remaining-subscription-reads",
            "x-ms-ratelimit-remaining-subscription-global-reads",
            "249",
            "3749",
        ),
        Method::DELETE => (
            "x-ms-ratelimit-remaining-subscription-deletes",
            "x-ms-ratelimit-remaining-subscription-global-deletes",
            "199",
            "2999",
        ),
        _ => (
            "x-ms-ratelimit-remaining-subscription-writes",
            "x-ms-ratelimit-remaining-subscription-global-writes",
            "199",
            "2999",
        ),
    };
    [(own, if throttled { "0" } else { left }), (all, left_of_all)]
}
