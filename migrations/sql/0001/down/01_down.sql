-- Removes what the revision made and nothing else: the schema itself may hold Alembic's version
-- table, and what others have put there. Where something of theirs depends on ours it is refused.
-- Written by tests/tools/freeze.py.
do $$
declare
    v_drop text;
begin
    for v_drop in
        select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass)
        from pg_trigger t
        join pg_proc p on p.oid = t.tgfoid
        join pg_class c on c.oid = t.tgrelid
        where t.tgparentid = 0
          and p.pronamespace = '{schema}'::regnamespace
          and c.relnamespace = '{schema}'::regnamespace
          and p.proname in (
              'cancel', 'check_isolation', 'choose', 'claim', 'count_ready',
              'drop_old_partitions', 'end_unowned', 'ensure_partitions', 'expire', 'finish',
              'first_id', 'free_slots', 'get_invocation', 'guard_delete', 'guard_outcome',
              'guard_slot', 'guard_update', 'heartbeat', 'history', 'history_of_insert',
              'history_of_update', 'id_time', 'is_served', 'legal', 'lock_lanes', 'lock_space',
              'maintain', 'make_partition', 'mark_dead_runners', 'notify', 'open_queues',
              'outcomes', 'partition_name', 'pause_queue', 'pointed_into', 'prepare_registration',
              'promote', 'purge', 'purging', 'quarantine', 'recover', 'refuse_change',
              'refuse_insert', 'register', 'register_runner', 'release', 'require_slot',
              'reroute_parked', 'reroute_stopped', 'reserve_keys', 'retry', 'settle_slots',
              'share_lanes', 'somebody_idle', 'start', 'take_slots', 'unregister_runner',
              'wake_waiters', 'watch')
    loop
        execute v_drop;
    end loop;
end $$;
drop view if exists
    {schema}.invocations,
    {schema}.queue_depth,
    {schema}.runner_health,
    {schema}.task_stats;
drop function if exists
    {schema}.cancel,
    {schema}.check_isolation,
    {schema}.choose,
    {schema}.claim,
    {schema}.count_ready,
    {schema}.drop_old_partitions,
    {schema}.end_unowned,
    {schema}.ensure_partitions,
    {schema}.expire,
    {schema}.finish,
    {schema}.first_id,
    {schema}.free_slots,
    {schema}.get_invocation,
    {schema}.guard_delete,
    {schema}.guard_outcome,
    {schema}.guard_slot,
    {schema}.guard_update,
    {schema}.heartbeat,
    {schema}.history,
    {schema}.history_of_insert,
    {schema}.history_of_update,
    {schema}.id_time,
    {schema}.is_served,
    {schema}.legal,
    {schema}.lock_lanes,
    {schema}.lock_space,
    {schema}.maintain,
    {schema}.make_partition,
    {schema}.mark_dead_runners,
    {schema}.notify,
    {schema}.open_queues,
    {schema}.outcomes,
    {schema}.partition_name,
    {schema}.pause_queue,
    {schema}.pointed_into,
    {schema}.prepare_registration,
    {schema}.promote,
    {schema}.purge,
    {schema}.purging,
    {schema}.quarantine,
    {schema}.recover,
    {schema}.refuse_change,
    {schema}.refuse_insert,
    {schema}.register,
    {schema}.register_runner,
    {schema}.release,
    {schema}.require_slot,
    {schema}.reroute_parked,
    {schema}.reroute_stopped,
    {schema}.reserve_keys,
    {schema}.retry,
    {schema}.settle_slots,
    {schema}.share_lanes,
    {schema}.somebody_idle,
    {schema}.start,
    {schema}.take_slots,
    {schema}.unregister_runner,
    {schema}.wake_waiters,
    {schema}.watch;
drop table if exists
    {schema}.invocation,
    {schema}.invocation_error,
    {schema}.invocation_history,
    {schema}.invocation_outcome,
    {schema}.invocation_state,
    {schema}.lane,
    {schema}.payload,
    {schema}.payload_ref,
    {schema}.queue,
    {schema}.runner,
    {schema}.slot,
    {schema}.status,
    {schema}.status_transition,
    {schema}.wait_edge;
drop sequence if exists
    {schema}.lease_seq;
drop type if exists
    {schema}.invocation_status;
