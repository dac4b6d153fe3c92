//! How a picture looks, on light and on dark paper. Every rule is bound to the class of the whole,
//! so that a page that holds the picture keeps its own look.

/// The style sheet.
pub(super) const SHEET: &str = "\
.saga-picture{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}
.saga-picture .paper{fill:#fff}
.saga-picture .title{font-size:17px;font-weight:600;fill:#1b2533}
.saga-picture .name{font-size:15px;font-weight:600;fill:#1b2533}
.saga-picture .line{font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.saga-picture .line{font-size:11.5px;fill:#4a5668}
.saga-picture .tag{font-size:11px;fill:#4a5668}
.saga-picture .box{fill:#f4f7fc;stroke:#3867c8;stroke-width:1.5}
.saga-picture .rule{stroke:#3867c8;stroke-width:1;stroke-opacity:.35}
.saga-picture .pivot .box{fill:#fff6e0;stroke:#b26a00;stroke-width:3}
.saga-picture .pivot .rule{stroke:#b26a00}
.saga-picture .retriable .box{fill:#effaf2;stroke:#2c8048}
.saga-picture .retriable .rule{stroke:#2c8048}
.saga-picture .conditional .box{stroke-dasharray:6 4}
.saga-picture .undo{fill:#a82a5e}
.saga-picture .forward{fill:none;stroke:#3867c8;stroke-width:1.8}
.saga-picture .backward{fill:none;stroke:#b3366b;stroke-width:1.6;stroke-dasharray:5 4}
.saga-picture .forward-head{fill:#3867c8}
.saga-picture .backward-head{fill:#b3366b}
.saga-picture .no-way-back{stroke:#b26a00;stroke-width:2;stroke-dasharray:2 5;stroke-linecap:round}
.saga-picture .no-way-back-text{font-size:12px;font-weight:600;fill:#8a5200}
@media (prefers-color-scheme:dark){
.saga-picture .paper{fill:#11161d}
.saga-picture .title,.saga-picture .name{fill:#e8edf4}
.saga-picture .line,.saga-picture .tag{fill:#a9b6c6}
.saga-picture .box{fill:#18212e;stroke:#6f9bf2}
.saga-picture .rule{stroke:#6f9bf2}
.saga-picture .pivot .box{fill:#2b2211;stroke:#e0a03c}
.saga-picture .pivot .rule{stroke:#e0a03c}
.saga-picture .retriable .box{fill:#13251a;stroke:#58b878}
.saga-picture .retriable .rule{stroke:#58b878}
.saga-picture .undo{fill:#f08cb4}
.saga-picture .forward{stroke:#6f9bf2}
.saga-picture .backward{stroke:#ec7aa6}
.saga-picture .forward-head{fill:#6f9bf2}
.saga-picture .backward-head{fill:#ec7aa6}
.saga-picture .no-way-back{stroke:#e0a03c}
.saga-picture .no-way-back-text{fill:#e6b45f}
}
";
