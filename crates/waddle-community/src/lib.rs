//! Community operations: the one place that changes rows and tuples together and announces the change.
