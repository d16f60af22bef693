//! All tests of the whole program, in one binary. `tidy` holds the repository to its rules; `black_box` runs the real
//! `pawl` and looks at nothing but its output, its exit code and what it leaves behind.

mod black_box;
mod tidy;
