//! Pages that are limited in bytes: what does not fit is not even read, on either database.

use crate::PAGE_BYTES_MAX;

/// [`PAGE_BYTES_MAX`] as a parameter.
#[expect(clippy::cast_possible_wrap, reason = "it is some megabytes")]
pub(crate) const BYTES_MAX: i64 = PAGE_BYTES_MAX as i64;

/// The statement that reads as much of a page as fits: `$1` is its limit in rows, `$2` the one in
/// bytes. One row more is read, and not sent, to know whether there are more.
macro_rules! paged {
    (order: $order:literal, size: $size:expr, page: $page:expr) => {
        concat!(
            "select * from (
                select page.*, row_number() over ordered as position,
                    sum(",
            $size,
            ") over ordered as bytes,
                    coalesce(lead(true) over ordered, false) as more
                from (",
            $page,
            " order by ",
            $order,
            " limit $1 + 1) as page
                window ordered as (order by ",
            $order,
            " rows unbounded preceding)
            ) as page
            where position <= $1 and (position = 1 or bytes <= $2)
            order by ",
            $order
        )
    };
}
pub(crate) use paged;
