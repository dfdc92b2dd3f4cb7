-- All tables that are changed, at once and in the order in which the verbs come to them: what each verb touches
-- first stands before all else that it touches. Whoever comes then waits at its first table, and holds none of
-- the others; taken one by one, as they are changed, each attempt among busy workers would end in a deadlock.
-- Runners are only read at the end of register, which need not wait for them.
lock table {schema}.runner in exclusive mode;
lock table {schema}.queue, {schema}.invocation, {schema}.invocation_state, {schema}.lane, {schema}.slot,
    {schema}.invocation_history, {schema}.invocation_error, {schema}.invocation_outcome, {schema}.wait_edge,
    {schema}.payload, {schema}.payload_ref in access exclusive mode;
