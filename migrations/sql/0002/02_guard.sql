-- Joins whose plans statistics cannot turn: see docs/decisions/0008-joins-that-fit-one-index.md.
create or replace function {schema}.guard_slot() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if new.n > (select slots from {schema}.lane where lane_id = new.lane) then
            raise exception 'slot % of lane % does not exist', new.n, new.lane
                using errcode = 'PN007', hint = 'The lane''s slots are its max_running.';
        end if;
        return new;
    elsif tg_op = 'UPDATE' then
        raise exception 'slot % of lane %: slots are inserted and deleted, never changed', old.n, old.lane
            using errcode = 'PN007';
    elsif not {schema}.purging() and (
        select runner_id from {schema}.invocation_state where invocation_id = old.invocation_id
    ) is not null then
        raise exception 'slot % of lane % is held by invocation %', old.n, old.lane, old.invocation_id
            using errcode = 'PN007', hint = 'A slot is free when its invocation is no longer owned.';
    end if;
    return old;
end $$;

create or replace function {schema}.history_of_insert() returns trigger language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
declare
    v_row record;
begin
    insert into {schema}.invocation_history
    select n.invocation_id, n.app_id, n.rev, null, n.status, n.reason, null, null, n.changed_by, n.status_at
    from new_rows n;
    -- Final is final, also for who writes the row by hand.
    select o.invocation_id, o.status into v_row
    from new_rows n cross join lateral (
        select * from {schema}.invocation_outcome o where o.invocation_id = n.invocation_id offset 0) o limit 1;
    if found then
        raise exception 'invocation %: % -> registered refused: it has ended', v_row.invocation_id, v_row.status
            using errcode = 'PN001', hint = 'To run it again, register a new one.';
    end if;
    return null;
end $$;

create or replace function {schema}.guard_delete() returns trigger language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
declare
    v_ended bigint;
    v_row   record;
begin
    if {schema}.purging() then
        return null;
    end if;
    insert into {schema}.invocation_history
    select o.invocation_id, o.app_id, c.rev, o.status, c.status, c.reason, o.runner_id,
           o.lease, nullif(coalesce(c.changed_by, c.runner_id), o.runner_id), c.finished_at
    from old_rows o cross join lateral (
        select * from {schema}.invocation_outcome c where c.invocation_id = o.invocation_id offset 0) c
    where c.rev = o.rev + 1 and c.lease is not distinct from o.lease
      and {schema}.legal(o.status, c.status, c.reason);
    get diagnostics v_ended = row_count;
    if v_ended = (select count(*) from old_rows) then
        if exists (
            select from (select distinct o.app_id from old_rows o) a
            cross join (values ('success'), ('failed'), ('concurrency_controlled_final')) f (what)
            cross join lateral (
                select from {schema}.trigger_watch w
                where w.app_id = a.app_id and w.what = f.what limit 1) w)
        then
            perform {schema}.record_causes(
                array_agg(o.invocation_id), array_agg(c.rev), array_agg(c.status::text), array_agg(c.finished_at))
            from old_rows o cross join lateral (
                select * from {schema}.invocation_outcome c where c.invocation_id = o.invocation_id offset 0) c;
        end if;
        return null;
    end if;
    select o.invocation_id, o.status, c.status as final, c.reason, c.invocation_id is not null as ended,
           {schema}.legal(o.status, c.status, c.reason) as is_legal
    into v_row
    from old_rows o left join lateral (
        select * from {schema}.invocation_outcome c where c.invocation_id = o.invocation_id offset 0) c on true
    where (c.rev = o.rev + 1 and c.lease is not distinct from o.lease
           and {schema}.legal(o.status, c.status, c.reason)) is not true
    limit 1;
    if v_row.ended and v_row.is_legal is not true then
        raise exception 'invocation %: % -> % refused: the state machine has no such step%',
                v_row.invocation_id, v_row.status, v_row.final,
                coalesce(format(' with reason %L', v_row.reason), ' without a reason')
            using errcode = 'PN001', hint = 'See the table status_transition.';
    elsif v_row.ended then
        raise exception 'invocation %: % -> % refused: the outcome does not carry its lease and next revision',
                v_row.invocation_id, v_row.status, v_row.final
            using errcode = 'PN002', hint = 'Only the runner that holds the lease may end it.';
    end if;
    raise exception 'invocation %: % -> (deleted) refused: it has no outcome', v_row.invocation_id, v_row.status
        using errcode = 'PN006', hint = 'The end is an outcome plus a delete; to cancel, call cancel.';
end $$;

create or replace function {schema}.guard_outcome() returns trigger language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
declare
    v_row record;
begin
    select n.invocation_id, n.status as final, s.status into v_row
    from new_rows n cross join lateral (
        select s.status from {schema}.invocation_state s where s.invocation_id = n.invocation_id offset 0) s
    limit 1;
    if found then
        raise exception 'invocation %: % -> % refused: an outcome goes with the delete of its hot row',
                v_row.invocation_id, v_row.status, v_row.final
            using errcode = 'PN006', hint = 'Do both in one statement; to end your own work, call finish.';
    end if;
    return null;
end $$;

-- Writes both steps where a claim begins what it takes (see guard_update).
create or replace function {schema}.history_of_update() returns trigger language plpgsql
set enable_seqscan = off as $$
begin
    insert into {schema}.invocation_history
    select n.invocation_id, n.app_id, n.rev, n.previous_status, n.status, n.reason, n.runner_id,
           n.lease, nullif(n.changed_by, n.runner_id), n.status_at
    from new_rows n
    where n.previous_status <> n.status
      and (n.status <> 'running' or n.previous_status not in ('registered', 'rerouted', 'retry'))
    union all
    select n.invocation_id, n.app_id, n.rev + s.rev, coalesce(s.previous_status, n.previous_status), s.status,
           n.reason, n.runner_id, n.lease, nullif(n.changed_by, n.runner_id), n.status_at
    from (values (-1, null::{schema}.invocation_status, 'pending'::{schema}.invocation_status),
                 (0, 'pending', 'running')) s (rev, previous_status, status)
    cross join new_rows n
    where n.status = 'running' and n.previous_status in ('registered', 'rerouted', 'retry');
    if exists (
        select from (select distinct n.app_id, n.status from new_rows n
                     where n.previous_status <> n.status) a
        cross join lateral (
            select a.status::text union all select 'pending' where a.status = 'running') c (what)
        cross join lateral (
            select from {schema}.trigger_watch w where w.app_id = a.app_id and w.what = c.what limit 1) w)
    then
        perform {schema}.record_causes(
            array_agg(c.invocation_id), array_agg(c.rev), array_agg(c.status::text), array_agg(c.status_at))
        from (
            select n.invocation_id, n.rev, n.status, n.status_at from new_rows n
            where n.previous_status <> n.status
            union all
            select n.invocation_id, n.rev - 1, 'pending', n.status_at from new_rows n
            where n.status = 'running' and n.previous_status in ('registered', 'rerouted', 'retry')) c;
    end if;
    return null;
end $$;

-- The other way past it, for the verb prune: what has ended may be deleted.
create function {schema}.pruning() returns boolean language sql stable
return coalesce(current_setting('pynenc.prune', true) = pg_current_xact_id_if_assigned()::text, false);

create or replace function {schema}.refuse_change() returns trigger language plpgsql as $$
begin
    if {schema}.purging() then
        return case tg_op when 'DELETE' then old else new end;
    elsif tg_op = 'DELETE' and {schema}.pruning() then
        if not exists (select from {schema}.invocation_state s where s.invocation_id = old.invocation_id) then
            return old;
        end if;
        raise exception 'invocation %: DELETE of % refused: it has not ended', old.invocation_id, tg_table_name
            using errcode = 'PN004', hint = 'prune removes what has ended.';
    end if;
    raise exception '% of % refused: its rows are kept as they were written', tg_op, tg_table_name
        using errcode = 'PN004',
              hint = 'Retention drops whole partitions; prune removes what its task does not keep; purge empties an app.';
end $$;

create or replace function {schema}.guard_update() returns trigger language plpgsql as $$
declare
    v_what  text;
    -- A claim may begin what it takes: two steps of the state machine, by way of pending, in one.
    v_begun boolean := new.status = 'running' and old.status in ('registered', 'rerouted', 'retry');
begin
    if (
        (new.invocation_id, new.app_id, new.lane) is distinct from (old.invocation_id, old.app_id, old.lane)
        or new.previous_status is distinct from old.status
        or new.rev is distinct from old.rev + (new.status <> old.status)::int + v_begun::int
        or (new.status in ('pending', 'running', 'paused', 'resumed')) <> (new.runner_id is not null)
        or new.runner_id is not null and new.lease is null
        or new.registration_key is not null and new.registration_key is distinct from old.registration_key
        or case when new.status = old.status then
            (new.runner_id, new.lease, new.proof, new.status_at, new.retries, new.recoveries)
                is distinct from (old.runner_id, old.lease, old.proof, old.status_at, old.retries, old.recoveries)
        else
            {schema}.legal(old.status, case when v_begun then 'pending' else new.status end, new.reason) is not true
            or new.status in ('success', 'failed', 'concurrency_controlled_final')
            or old.runner_id is not null and (
                new.proof is distinct from old.lease + new.rev or new.runner_id <> old.runner_id)
            or case when new.status = 'pending' or v_begun then new.lease <= old.lease
                    else new.lease is distinct from old.lease end
            or new.status_at < old.status_at
            or new.retries <> old.retries
                + (new.status = 'retry' and new.reason in ('error', 'timeout'))::int
            or new.recoveries <> old.recoveries + (new.status = 'running_recovery')::int
        end
    ) then
        v_what := format('invocation %s: %s -> %s', old.invocation_id, old.status, new.status);
        if new.status <> old.status and {schema}.legal(old.status, new.status, new.reason) is not true then
            raise exception '% refused: the state machine has no such step%', v_what,
                    coalesce(format(' with reason %L', new.reason), ' without a reason')
                using errcode = 'PN001', hint = 'See the table status_transition.';
        elsif new.status in ('success', 'failed', 'concurrency_controlled_final') then
            raise exception '% refused: no final status stands in the hot table', v_what
                using errcode = 'PN006', hint = 'The end is an outcome plus a delete, in one statement.';
        elsif new.status <> old.status and old.runner_id is not null
              and new.proof is distinct from old.lease + new.rev then
            raise exception '% refused: only its runner % may change it', v_what, old.runner_id
                using errcode = 'PN002', hint = 'The proof is the lease plus the new revision.';
        elsif (case when new.status = old.status then
                   (new.runner_id, new.lease, new.proof) is distinct from (old.runner_id, old.lease, old.proof)
               when new.status = 'pending' then new.lease is null or new.lease <= old.lease
               else new.lease is distinct from old.lease
                    or old.runner_id is not null and new.runner_id <> old.runner_id
               end) then
            raise exception '% refused: owner and lease change with a claim or an end alone', v_what
                using errcode = 'PN002', hint = 'Each claim draws a new lease.';
        end if;
        raise exception '% refused: status, owner, revision, counters and times do not agree', v_what
            using errcode = 'PN003',
                  hint = 'previous_status is the old status, rev counts status changes, '
                         'runner_id is set exactly while owned; id, app and lane are constant.';
    end if;
    return new;
end $$;

create or replace trigger guard_slot_held before update on {schema}.invocation_state
for each row when (new.lane is not null and new.status in ('pending', 'running') and old.runner_id is null)
execute function {schema}.require_slot();
