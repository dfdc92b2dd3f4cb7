-- As on the way up: see ../00_locks.sql. Before the files that begin with 00 and change something.
lock table {schema}.runner in exclusive mode;
lock table {schema}.queue, {schema}.new_queue, {schema}.invocation, {schema}.invocation_state, {schema}.lane,
    {schema}.slot, {schema}.invocation_history, {schema}.invocation_error, {schema}.invocation_outcome,
    {schema}.wait_edge, {schema}.payload, {schema}.payload_ref in access exclusive mode;
