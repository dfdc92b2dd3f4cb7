-- Brings back what the revision replaced, and removes what it made.
-- Written by tests/tools/freeze.py.
drop view {schema}.workflows;

drop view {schema}.workflow_values;

drop view {schema}.workflow_steps;

drop view {schema}.triggers;

drop view {schema}.trigger_runs;

drop view {schema}.tasks;

drop view {schema}.stuck;

drop view {schema}.set_aside;

drop view {schema}.parked_causes;

drop view {schema}.events;

drop view {schema}.blocked_by;

drop view {schema}.audits;

-- What stands in each queue now.
create or replace view {schema}.queue_depth as
select q.app_id, q.queue, q.paused,
       count(s.invocation_id) filter (where s.available and s.due_at is null) as ready,
       count(s.invocation_id) filter (where s.due_at is not null) as scheduled,
       count(s.invocation_id) filter (where s.parked) as parked,
       count(s.invocation_id) filter (where s.status = 'pending') as pending,
       count(s.invocation_id) filter (where s.status in ('running', 'resumed')) as running,
       count(s.invocation_id) filter (where s.status = 'paused') as waiting,
       clock_timestamp() - min(s.status_at) filter (where s.available and s.due_at is null) as oldest_ready
from {schema}.queue q
left join {schema}.invocation_state s on s.app_id = q.app_id and s.queue = q.queue
group by q.app_id, q.queue, q.paused;

drop function {schema}.workflow_values(p_app text, p_workflow uuid);

drop function {schema}.workflow_tree(id uuid);

drop function {schema}.workflow_steps(p_app text, p_id uuid);

drop function {schema}.workflow_runs(p_app text, p_task text, p_live boolean, p_limit integer, p_before uuid, p_patience interval);

drop function {schema}.workflow_info(p_app text, p_id uuid);

drop function {schema}.why_untakable(p_call {schema}.invocation, p_state {schema}.invocation_state);

drop function {schema}.why_template(p_code text);

drop function {schema}.why_sentence(p_code text, p_facts json);

drop function {schema}.why_not_taken(p_call {schema}.invocation, p_state {schema}.invocation_state);

drop function {schema}.why_later(p_state {schema}.invocation_state);

drop function {schema}.why_keyed(p_state {schema}.invocation_state);

drop function {schema}.why_held(p_state {schema}.invocation_state);

drop function {schema}.why_behind(p_state {schema}.invocation_state);

drop function {schema}.why(p_app text, p_id uuid);

drop function {schema}.wake_workflows(p_app text, p_limit integer);

drop function {schema}.wake_waiting();

drop function {schema}.waits_of(p_app text, p_id uuid, p_limit integer);

drop function {schema}.waiting_causes(p_app text, p_trigger text, p_limit integer);

drop function {schema}.wait_in_line(p_place integer);

drop function {schema}.utc_text(p_at timestamptz);

drop function {schema}.unreferred(p_ids uuid[]);

drop function {schema}.triggers_with_causes(p_app text);

drop function {schema}.triggers_of(p_app text);

drop function {schema}.trigger_figures(p_app text, p_trigger text, p_most integer);

drop function {schema}.tick(p_app text, p_trigger text, p_condition text, p_settled timestamptz, p_ticks timestamptz[], p_now_settled timestamptz, p_next_at timestamptz);

drop function {schema}.take_slots(p_app text, p_queues text[], p_limit integer, p_now timestamptz, out lanes bigint[], out candidates uuid[], out turns double precision[]);

drop function {schema}.take_causes(p_app text, p_runner text, p_triggers text[], p_versions text[], p_limit integer, p_seconds double precision);

drop function {schema}.stranded(p_app text, p_limit integer);

drop function {schema}.step_as_read(p_id uuid, p_path text, p_run integer);

drop function {schema}.state_at(p_app text, p_at timestamptz, p_limit integer);

drop function {schema}.starts_since(p_lane {schema}.lane, p_now timestamptz);

drop function {schema}.share_lanes(p_app text, p_queue text, p_keys text[], p_slots integer, p_rate integer, p_rate_period double precision, p_ahead double precision, p_must_not_wait boolean, p_now timestamptz, p_changed_by text);

drop function {schema}.settle_slots(p_app text, p_lanes bigint[], p_candidates uuid[], p_taken uuid[], p_runner text, p_now timestamptz);

drop function {schema}.settle_causes(p_app text, p_causes bigint[], p_attempts integer[], p_verdicts text[], p_delays double precision[], p_errors text[]);

drop function {schema}.set_aside(p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_said text[]);

drop function {schema}.schema_version(out revision text, out serves_from text);

drop function {schema}.schedules(p_app text);

drop function {schema}.rouse(p_app text, p_queue text, p_count integer);

drop function {schema}.return_causes(p_app text, p_runners text[]);

drop function {schema}.retry_with(p_app text, p_id uuid, p_changed text, p_kept text[]);

drop function {schema}.retry_causes(p_app text, p_trigger text);

drop function {schema}.retry(id uuid);

drop function {schema}.resume(p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_forget uuid[]);

drop function {schema}.reserve_call(p_app text, p_task text, p_key text, p_id uuid);

drop function {schema}.reschedule(p_app text, p_trigger text, p_condition text, p_edited text);

drop function {schema}.remember_calls(p_app text, p_task text, p_ids uuid[], p_call_ids text[]);

drop function {schema}.release_strays(p_app text, p_runner text, p_known uuid[]);

drop function {schema}.register_triggers(p_app text, p_tasks text[], p_triggers json);

drop function {schema}.register_tasks(p_app text, p_runner text, p_tasks json);

drop function {schema}.register_once(p_key text, p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision, p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid, p_depth integer, p_options text, p_changed_by text, p_own_connection boolean, p_ids uuid[], p_call_ids text[], p_arguments text[], p_registration_keys text[], p_lane_keys text[], p_refuse_different boolean, p_ageing double precision, p_rate integer, p_rate_period double precision, p_at timestamptz, p_own_workflow boolean);

drop function {schema}.register_cached(p_key text, p_ttl double precision, p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision, p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid, p_depth integer, p_options text, p_changed_by text, p_own_connection boolean, p_ids uuid[], p_call_ids text[], p_arguments text[], p_registration_keys text[], p_lane_keys text[], p_refuse_different boolean, p_ageing double precision, p_rate integer, p_rate_period double precision, p_at timestamptz, p_own_workflow boolean);

drop function {schema}.register_2(p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision, p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid, p_depth integer, p_options text, p_changed_by text, p_own_connection boolean, p_ids uuid[], p_call_ids text[], p_arguments text[], p_registration_keys text[], p_lane_keys text[], p_refuse_different boolean, p_ageing double precision, p_rate integer, p_rate_period double precision, p_at timestamptz, p_retried_from uuid, p_own_workflow boolean);

drop function {schema}.refuse_different(p_task text, p_ids uuid[], p_become uuid[], p_call_ids text[], p_arguments text[]);

drop function {schema}.refuse_circle(p_id uuid);

drop function {schema}.refer(p_app text, p_become uuid[], p_ids uuid[], p_hashes text[]);

drop function {schema}.record_step(p_app text, p_runner text, p_id uuid, p_lease bigint, p_path text, p_run integer, p_kind text, p_about text, p_value text, p_retries integer, p_survived text[], p_key text, p_event uuid, p_delay double precision);

drop function {schema}.record_child(p_app text, p_runner text, p_id uuid, p_lease bigint, p_path text, p_run integer, p_about text, p_retries integer, p_survived text[], p_became uuid[]);

drop function {schema}.record_causes(p_ids uuid[], p_revs integer[], p_statuses text[], p_ats timestamptz[]);

drop function {schema}.record_audit(p_app text, p_who text, p_action text, p_subject text, p_detail text, p_origin text, p_outcome text);

drop function {schema}.recent_history(p_app text, p_pages integer);

drop function {schema}.recent_ends(p_app text, p_pages integer, p_limit integer);

drop function {schema}.recall(p_app text, p_task text, p_ids uuid[], p_call_ids text[], p_since timestamptz);

drop function {schema}.queued_misfits(p_app text);

drop function {schema}.queue_figures(p_app text, p_pages integer);

drop function {schema}.python_number(p_text text);

drop function {schema}.prune(p_app text, p_after uuid, p_limit integer);

drop function {schema}.plain_wire(p_json json);

drop function {schema}.pick_by_turn(p_queues text[], p_lanes bigint[], p_limit integer, p_now timestamptz, out ids uuid[], out lanes bigint[], out turns double precision[]);

drop function {schema}.pause_workflow(id uuid, paused boolean, reason text);

drop function {schema}.pause_workflow(p_app text, p_id uuid, p_reason text, p_paused boolean);

drop function {schema}.pause_trigger(p_app text, p_trigger text, p_paused boolean);

drop function {schema}.pause(p_app text, p_runner text, p_id uuid, p_lease bigint, p_awaited uuid[], p_any boolean, p_listener text);

drop function {schema}.pair_causes(p_app text, p_trigger text, p_sets json, p_dropped bigint[]);

drop function {schema}.own_steps(p_ids uuid[]);

drop function {schema}.own_children(p_id uuid, p_ids uuid[]);

drop function {schema}.open_lanes();

drop function {schema}.offer_lanes(p_app text, p_queues text[], p_limit integer, p_now timestamptz);

drop function {schema}.note_starts(p_app text, p_lanes bigint[], p_taken uuid[], p_now timestamptz);

drop function {schema}.next_cause(p_app text, p_triggers text[], p_versions text[]);

drop function {schema}.new_id();

drop function {schema}.mixed_apps(p_app text, p_from uuid, p_limit integer);

drop function {schema}.misfit(p_parameters json, p_names text[], out missing text[], out unknown text[]);

drop function {schema}.may_meet(p_wanted jsonb, p_found json);

drop function {schema}.maintain_2(p_app text, p_finished double precision, p_history double precision);

drop function {schema}.lock_waits(p_app text, p_id uuid, p_awaited uuid[]);

drop function {schema}.lock_tasks(p_app text);

drop function {schema}.list_invocations(p_app text, p_filter json, p_before uuid, p_limit integer, p_patience interval);

drop function {schema}.is_able(p_app text, p_task text, p_queue text, p_names text[], p_refused_by text[]);

drop function {schema}.idle_below(p_ids uuid[]);

drop function {schema}.hold(p_app text, p_hashes text[], p_contents bytea[], p_codecs text[]);

drop function {schema}.histories(p_app text, p_ids uuid[], p_until timestamptz, p_each integer);

drop function {schema}.held_by(p_app text, p_runner text, p_limit integer);

drop function {schema}.hasten(p_app text, p_ids uuid[]);

drop function {schema}.give_back(p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_max_recoveries integer);

drop function {schema}.get_call(p_app text, p_id uuid);

drop function {schema}.free_aside(p_app text, p_limit integer);

drop function {schema}.fork_steps(p_app text, p_from uuid, p_before text, p_id uuid, p_became uuid[]);

drop function {schema}.forget_lanes(p_lanes bigint[]);

drop function {schema}.fitting(p_app text, p_filter json, p_statuses text[], p_ids uuid[], p_limit integer);

drop function {schema}.fired(p_app text, p_trigger text, p_limit integer);

drop function {schema}.fire(p_app text, p_causes bigint[], p_attempts integer[], p_became uuid[], p_arguments text[]);

drop function {schema}.find_task(p_app text, p_task text);

drop function {schema}.fetch(p_app text, p_hashes text[]);

drop function {schema}.family(p_app text, p_id uuid, p_limit integer);

drop function {schema}.event_lock(p_app text, p_code text);

drop function {schema}.enqueue_known(p_task {schema}.task, p_arguments json, p_queue text, p_priority double precision, p_delay interval, p_at timestamptz, p_expires interval, p_options json, p_retried_from uuid, p_key text);

drop function {schema}.enqueue(task text, arguments json, app text, queue text, priority double precision, delay interval, at timestamptz, expires interval, max_retries integer, timeout interval, key text);

drop function {schema}.ended_since(p_from timestamptz, p_until timestamptz, p_since timestamptz);

drop function {schema}.emit_event(code text, payload json, app text, workflow uuid);

drop function {schema}.emit(p_app text, p_id uuid, p_code text, p_payload text, p_by text, p_workflow uuid);

drop function {schema}.drop_causes(p_app text, p_triggers text[]);

drop function {schema}.crash(p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_max_recoveries integer);

drop function {schema}.count_by_status(p_app text);

drop function {schema}.collect(p_app text, p_after text, p_age double precision, p_limit integer);

drop function {schema}.claim(p_app text, p_runner text, p_queues text[], p_limit integer, p_idle boolean, p_floor_queues text[], p_floors double precision[], p_begin_below integer);

drop function {schema}.choose(p_app text, p_queue text, p_awaited uuid[], p_keyed uuid[], p_turns double precision[], p_floor double precision, p_limit integer, p_now timestamptz);

drop function {schema}.check_step(p_path text, p_about text, p_key text, p_value text);

drop function {schema}.check_containers(p_task {schema}.task, p_arguments json);

drop function {schema}.check_call(p_task {schema}.task, p_arguments json);

drop function {schema}.check_author(p_app text, p_runner text, p_id uuid, p_lease bigint);

drop function {schema}.cause_as_json(p_cause {schema}.trigger_cause);

drop function {schema}.canonical_json(p_value json, p_depth integer);

drop function {schema}.cancel(id uuid);

drop function {schema}.call_keys(p_task {schema}.task, p_arguments json, out registration text, out running text, out call_id text);

drop function {schema}.call_digest(p_head text[], p_parameters json, p_arguments json, p_counts json);

drop function {schema}.broken_waits(p_app text, p_limit integer);

drop function {schema}.broken_owners(p_app text, p_from uuid, p_limit integer);

drop function {schema}.broken_keys(p_app text, p_limit integer);

drop function {schema}.broken_history(p_app text, p_from uuid, p_limit integer);

drop function {schema}.broken_ends(p_app text, p_from uuid, p_limit integer);

drop function {schema}.broken_causes(p_app text, p_from uuid, p_limit integer);

drop function {schema}.broken(p_app text, p_since timestamptz, p_limit integer);

drop function {schema}.blake2b(p_data bytea);

drop function {schema}.begin_run(p_app text, p_id uuid, p_paused boolean);

drop function {schema}.await_event(p_app text, p_runner text, p_id uuid, p_lease bigint, p_path text, p_code text, p_filter jsonb, p_timeout double precision, p_skip uuid[]);

drop function {schema}.at_work(p_app text, p_limit integer);

drop function {schema}.asked_to_stop(p_app text, p_runner text);

drop function {schema}.ascii_json(p_text text);

drop function {schema}.argument_text(p_parameters json, p_arguments json, p_name text);

drop function {schema}.add_queues();

-- The first half of this schema's advisory locks: two schemas in one database do not meet.
-- The second half is a runner's serial (its session lock), or negative: -2 partitions,
-- -3 migrations, from -1000 down the recovery of an app.
create or replace function {schema}.lock_space() returns integer
language sql immutable parallel safe
return hashtext('{schema_name}') & 2147483647;

-- Ends what nobody owns; asks the owner for the rest. Answers cancelled | requested | final | unknown.
-- Moves: registered, rerouted, retry, concurrency_controlled -> failed (cancelled).
-- Locks: its lane, then its row.
create or replace function {schema}.cancel(p_app text, p_id uuid, p_changed_by text)
returns text language plpgsql {definer} as $$
declare
    v_owned boolean;
begin
    perform check_isolation();
    perform lock_lanes(array[p_id]);
    select s.runner_id is not null into v_owned from invocation_state s
    where s.invocation_id = p_id and s.app_id = p_app for update;
    if v_owned then
        update invocation_state s
        set cancel_requested_at = coalesce(s.cancel_requested_at, clock_timestamp()),
            previous_status = s.status
        where s.invocation_id = p_id;
        perform notify(p_app, 'cancel', to_json(p_id));
        return 'requested';
    elsif not v_owned then
        perform end_unowned(array[p_id], 'failed', 'cancelled', p_changed_by);
        return 'cancelled';
    end if;
    return case when exists (select from invocation_outcome o where o.invocation_id = p_id and o.app_id = p_app)
           then 'final' else 'unknown' end;
end $$;

-- The first of one queue by rank among work without a key and the candidates that hold a slot.
-- Internal to claim.
create or replace function {schema}.choose(
    p_app text, p_queue text, p_keyed uuid[], p_floor double precision, p_limit integer,
    p_now timestamptz
) returns uuid[] language plpgsql as $$
begin
    return array(
        with free as materialized (
            select s.invocation_id, s.rank from invocation_state s
            where s.app_id = p_app and s.queue = p_queue and s.rank >= p_floor
              and s.available and s.due_at is null and s.lane is null
              and (s.expires_at is null or s.expires_at > p_now)
            order by s.rank, s.invocation_id limit p_limit for no key update skip locked
        ), keyed as (
            select s.invocation_id, s.rank from unnest(p_keyed) k (id) cross join lateral (
                select * from invocation_state s where s.invocation_id = k.id offset 0) s
            where s.queue = p_queue
        )
        select c.invocation_id from (table free union all table keyed) c
        order by c.rank, c.invocation_id limit p_limit);
end $$;

-- Takes up to p_limit ready invocations for a runner, each with a lease of its own.
-- Moves: registered, rerouted, retry -> pending | concurrency_controlled | concurrency_controlled_final.
-- Locks: the runner's row against its removal (what it takes would be nobody's), lanes (skip locked: never waits, so they may come in the order of their turn), then rows
-- (skip locked). Raises: PN010 the runner is unknown or was declared dead.
-- p_queues in the order they are served; empty means all. p_idle: what the caller will do if
-- nothing is found, so that producers know whether somebody must be woken.
-- p_floors: by queue (in p_floor_queues) the rank below which the caller has lately seen nothing
-- ready. It is looked below only if nothing is found above. See PgOrchestrator, which uses it while
-- `looked`, the seconds that looking for work without a key took, is long.
create or replace function {schema}.claim(
    p_app text, p_runner text, p_queues text[], p_limit integer, p_idle boolean,
    p_floor_queues text[] default '{}', p_floors double precision[] default '{}'
) returns table (
    invocation_id uuid, task_id text, arguments text, lease bigint, retries integer,
    recoveries integer, parent_id uuid, depth integer, options text, queue text,
    rank double precision, looked double precision
) language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_queues  text[];
    v_queue   text;
    v_left    integer := p_limit;
    v_lanes   bigint[];
    v_keyed   uuid[];
    v_taken   uuid[] := '{}';
    v_ids     uuid[];
    v_floor   double precision;
    v_looked  double precision;
    v_idle    boolean;
    v_idle_at timestamptz;
begin
    perform check_isolation();
    select r.idle, r.idle_at into v_idle, v_idle_at from runner r
    where r.runner_id = p_runner and r.app_id is not distinct from p_app and r.dead_at is null
    for key share;
    if not found then
        raise exception 'runner % is not registered, or was declared dead', p_runner
            using errcode = 'PN010', hint = 'Its work was given to others; start a new runner.';
    end if;
    v_queues := open_queues(p_app, p_queues);
    select t.lanes, t.candidates into v_lanes, v_keyed
    from take_slots(p_app, v_queues, p_limit, v_now) t;
    -- After the lanes were locked: by the history, too, a slot is taken after it was freed.
    v_now := clock_timestamp();

    loop
        foreach v_queue in array v_queues loop
            exit when v_left <= 0;
            v_floor := coalesce(p_floors[array_position(p_floor_queues, v_queue)], '-infinity');
            if v_keyed = '{}' then
                v_ids := array(
                    select s.invocation_id from invocation_state s
                    where s.app_id = p_app and s.queue = v_queue and s.rank >= v_floor
                      and s.available and s.due_at is null and s.lane is null
                      and (s.expires_at is null or s.expires_at > v_now)
                    order by s.rank, s.invocation_id limit v_left for no key update skip locked);
            else
                v_ids := choose(p_app, v_queue, v_keyed, v_floor, v_left, v_now);
            end if;
            v_taken := v_taken || v_ids;
            v_left := v_left - cardinality(v_ids);
        end loop;
        exit when v_taken <> '{}' or p_floors = '{}';
        p_floors := '{}';
    end loop;
    v_looked := extract(epoch from clock_timestamp() - v_now);
    if v_lanes <> '{}' then
        perform settle_slots(v_lanes, v_keyed, v_taken, p_runner, v_now);
    end if;

    -- Asleep at once, awake once a second at most: that is how long producers notify after it all the
    -- same, and a row that changes with every call is slow to read while an old snapshot is held.
    if v_taken = '{}' and p_idle and not v_idle
       or v_taken <> '{}' and v_idle and v_idle_at < v_now - interval '1 second' then
        update runner r set idle = not r.idle, idle_at = v_now where r.runner_id = p_runner;
    end if;
    return query
    with taken as (
        update invocation_state s
        set status = 'pending', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = null, runner_id = p_runner,
            lease = nextval('lease_seq'), rev = s.rev + 1, proof = null, changed_by = p_runner
        from unnest(v_taken) with ordinality t (id, n)
        where s.invocation_id = t.id
        returning s.invocation_id, s.lease, s.retries, s.recoveries, s.queue, s.rank, t.n
    )
    select t.invocation_id, i.task_id, i.arguments::text, t.lease, t.retries, t.recoveries,
           i.parent_id, i.depth, i.options::text, t.queue, t.rank, v_looked
    from taken t join invocation i on i.invocation_id = t.invocation_id
    order by t.n;
end $$;

-- Drops one partition per table that is past its retention (finished 7 days, history 30), and
-- only if no live row, wait or payload reference points into it (such a one is passed over, the
-- next may go). Internal to maintain.
-- Gives up after 200 ms of waiting for its lock, and tries again next time.
create or replace function {schema}.drop_old_partitions() returns text[]
language plpgsql set search_path = {schema}, pg_catalog, pg_temp
set timezone = 'UTC' set lock_timeout = '200ms' as $$
declare
    v_name   text;
    v_parent text;
    v_from   timestamptz;
    v_gone   text[] := '{}';
    v_did    text[] := '{}';
begin
    for v_name, v_parent, v_from in
        select c.relname, p.relname, to_timestamp(right(c.relname, 8), 'YYYYMMDD')
        from pg_inherits h join pg_class c on c.oid = h.inhrelid join pg_class p on p.oid = h.inhparent
        where p.relnamespace = '{schema}'::regnamespace and p.relkind = 'p' and c.relkind = 'r'
        order by p.relname, c.relname
    loop
        continue when v_parent = any (v_gone);
        continue when v_from + case when v_parent = 'invocation_history' then interval '31 days'
                               else interval '14 days' end > clock_timestamp();
        continue when v_parent <> 'invocation_history'
                      and (pointed_into(v_from, v_from + interval '7 days'));
        begin
            v_gone := v_gone || v_parent;
            execute format('drop table %I', v_name);
            v_did := v_did || ('dropped ' || v_name);
        exception when lock_not_available then
            v_did := v_did || ('busy, later: ' || v_name);
        end;
    end loop;
    return v_did;
end $$;

-- Ends invocations that nobody owns: outcome, delete, waiters. Internal; rows locked by the caller.
-- Moves: available, parked, killed, recovery -> failed | concurrency_controlled_final.
create or replace function {schema}.end_unowned(
    p_ids uuid[], p_status text, p_reason text, p_changed_by text
) returns void language plpgsql as $$
begin
    with gone as (
        delete from invocation_state s where s.invocation_id = any (p_ids) returning s.*
    )
    insert into invocation_outcome (
        invocation_id, app_id, status, reason, value, queue, runner_id, lease, rev, changed_by,
        retries, recoveries, finished_at)
    select g.invocation_id, g.app_id, p_status::invocation_status, p_reason, null, g.queue, null,
           g.lease, g.rev + 1, p_changed_by, g.retries, g.recoveries,
           greatest(clock_timestamp(), g.status_at)
    from gone g;
    perform wake_waiters(p_ids);
end $$;

-- Makes the partitions up to 14 days ahead that are not there yet. Internal; one at a time.
-- CREATE, CHECK, ATTACH: writers of the parent are not blocked. Raises nothing of its own.
create or replace function {schema}.ensure_partitions() returns text[]
language plpgsql set search_path = {schema}, pg_catalog, pg_temp as $$
declare
    v_parent text;
    v_name   text;
    v_from   timestamptz;
    v_made   text[] := '{}';
    v_today  timestamptz := date_trunc('day', clock_timestamp(), 'UTC');
    v_week   timestamptz := date_trunc('week', clock_timestamp(), 'UTC');
begin
    perform pg_advisory_xact_lock(lock_space(), -2);
    for v_parent, v_from in
        select 'invocation_history', v_today + d * interval '1 day' from generate_series(-1, 14) d
        union all
        select p, v_week + w * interval '7 days'
        from unnest(array['invocation', 'invocation_outcome', 'invocation_error']) p,
             generate_series(-1, 3) w
    loop
        v_name := partition_name(v_parent, v_from);
        continue when to_regclass(v_name) is not null;
        perform make_partition(v_parent, v_name, v_from);
        v_made := v_made || v_name;
    end loop;
    return v_made;
end $$;

-- Ends what a runner holds. Answers only those that were not done: lost | already.
-- Moves: running, resumed -> success | failed, as outcome plus delete.
-- Locks: lanes by key, then rows by id. In one transaction with it: slot freed and the next parked
-- one rerouted, waiters woken, history.
create or replace function {schema}.finish(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_statuses text[],
    p_values text[], p_reasons text[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_lanes bigint[];
    v_done  uuid[];
begin
    perform check_isolation();
    v_lanes := lock_lanes(p_ids);
    with mine as materialized (
        select s.invocation_id, e.status, e.value, e.reason
        from (select * from unnest(p_ids, p_leases, p_statuses, p_values, p_reasons)
                   e (id, lease, status, value, reason) order by id) e
        cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = e.id and s.lease = e.lease
              and s.runner_id is not distinct from p_runner and s.status in ('running', 'resumed')
            offset 0 for update) s
    ), gone as (
        delete from invocation_state s using mine m where s.invocation_id = m.invocation_id
        returning s.invocation_id, s.app_id, s.queue, s.runner_id, s.lease, s.rev, s.retries,
                  s.recoveries, s.status_at, m.status, m.value, m.reason
    ), kept as (
        insert into invocation_outcome (
            invocation_id, app_id, status, reason, value, queue, runner_id, lease, rev, changed_by,
            retries, recoveries, finished_at)
        select g.invocation_id, g.app_id, g.status::invocation_status, g.reason, g.value::json,
               g.queue, g.runner_id, g.lease, g.rev + 1, p_runner, g.retries, g.recoveries,
               greatest(v_now, g.status_at)
        from gone g
        returning invocation_outcome.invocation_id
    )
    select array(select k.invocation_id from kept k) into v_done;

    if v_lanes is not null then
        perform free_slots(p_app, v_lanes, v_done, p_runner);
    end if;
    perform wake_waiters(v_done);
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select e.id, case when exists (
        select from invocation_outcome o where o.invocation_id = e.id and o.lease = e.lease
        and o.runner_id = p_runner offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) e (id, lease) where e.id <> all (v_done);
end $$;

-- Frees the slots of invocations that are no longer owned, lets the next parked ones try again
-- and tells the runners. Internal; the lanes are locked by the caller.
create or replace function {schema}.free_slots(
    p_app text, p_lanes bigint[], p_ids uuid[], p_changed_by text
) returns void language plpgsql as $$
begin
    delete from slot x where x.invocation_id = any (p_ids);
    if reroute_parked(p_lanes, p_changed_by) or exists (
        select from invocation_state s where s.lane = any (p_lanes) and s.due_at is null
        and s.lane is not null and s.available and not s.parked
    ) then
        perform notify(p_app, 'work');
    end if;
end $$;

-- Every status change of one invocation, oldest first, each with the exception that caused it:
-- of an attempt that is tried again, and of the one that failed.
create or replace function {schema}.history(p_app text, p_id uuid)
returns table (rev integer, previous_status text, status text, reason text, runner_id text,
               changed_by text, at timestamptz, error text)
language plpgsql stable {definer} as $$
begin
    return query
    select h.rev, h.previous_status::text, h.status::text, h.reason, h.runner_id, h.changed_by,
           h.at, coalesce(e.error, o.value)::text
    from invocation_history h
    left join invocation_error e on e.invocation_id = p_id and e.rev = h.rev
    left join invocation_outcome o
           on o.invocation_id = p_id and o.rev = h.rev and o.status = 'failed'
    where h.invocation_id = p_id and h.app_id = p_app
    order by h.rev;
end $$;

-- Whether a runner of the app that is believed alive serves a queue.
create or replace function {schema}.is_served(p_app text, p_queue text)
returns boolean language plpgsql stable {definer} as $$
begin
    return exists (select from runner r
                   where r.app_id = p_app and r.dead_at is null
                     and r.lease_until >= clock_timestamp()
                     and (r.queues = '{}' or p_queue = any (r.queues)));
end $$;

-- Locks the lanes of these invocations, by key: the first lock of every verb that may free a slot.
-- Internal; answers the lanes, null where there are none.
create or replace function {schema}.lock_lanes(p_ids uuid[]) returns bigint[]
language plpgsql as $$
declare
    v_lanes bigint[];
begin
    select array_agg(distinct s.lane) into v_lanes
    from invocation_state s where s.invocation_id = any (p_ids) and s.lane is not null;
    if v_lanes is not null then
        perform from lane l where l.lane_id = any (v_lanes) order by l.key for no key update;
    end if;
    return v_lanes;
end $$;

-- House-keeping, hourly, by any one runner: partitions ahead, idle lanes gone. Answers what it did.
create or replace function {schema}.maintain(p_app text) returns text[]
language plpgsql {definer} as $$
declare
    v_did   text[];
    v_lanes bigint[];
begin
    perform check_isolation();
    v_did := array(select 'made ' || name from unnest(ensure_partitions()) name);
    v_lanes := array(
        select l.lane_id from lane l
        where l.app_id = p_app and (l.next_at is null or l.next_at < clock_timestamp())
          and not exists (select from slot x where x.lane = l.lane_id)
          and not exists (select from invocation_state s where s.lane = l.lane_id and s.lane is not null)
        order by l.key limit 1000 for update skip locked);
    -- A new statement, now that no call can join them: those that are idle still.
    delete from lane l where l.lane_id = any (v_lanes)
      and not exists (select from invocation_state s where s.lane = l.lane_id and s.lane is not null);
    if found then
        v_did := v_did || format('removed idle lanes, %s at most', cardinality(v_lanes));
    end if;
    return v_did || drop_old_partitions();
end $$;

-- Makes one partition and gives it the triggers that it does not inherit. Internal.
create or replace function {schema}.make_partition(p_parent text, p_name text, p_from timestamptz)
returns void language plpgsql set search_path = {schema}, pg_catalog, pg_temp
set timezone = 'UTC' as $$
declare
    v_by_day boolean := p_parent = 'invocation_history';
    v_column text := case when v_by_day then 'at' else 'invocation_id' end;
    v_until  timestamptz := p_from + case when v_by_day then interval '1 day' else interval '7 days' end;
    v_low    text := case when v_by_day then p_from::text else first_id(p_from)::text end;
    v_high   text := case when v_by_day then v_until::text else first_id(v_until)::text end;
begin
    execute format('create table %I (like %I including all)', p_name, p_parent);
    execute format('alter table %I add constraint bounds check (%I >= %L and %I < %L)',
                   p_name, v_column, v_low, v_column, v_high);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)',
                   p_parent, p_name, v_low, v_high);
    execute format('alter table %I drop constraint bounds', p_name);
    execute format('create trigger guard_truncate before truncate on %I '
                   'for each statement execute function refuse_change()', p_name);
    if p_parent = 'invocation_outcome' then
        execute format('create trigger guard_outcome after insert on %I '
                       'referencing new table as new_rows '
                       'for each statement execute function guard_outcome()', p_name);
    end if;
end $$;

-- Of the queues asked for (none: all of the app), in order, those that are not paused. Internal.
create or replace function {schema}.open_queues(p_app text, p_queues text[]) returns text[]
language plpgsql as $$
begin
    if p_queues = '{}' then
        return array(select q.queue from queue q where q.app_id = p_app and not q.paused order by q.queue);
    end if;
    return array(select a.name from unnest(p_queues) with ordinality a (name, n)
                 join queue q on q.app_id = p_app and q.queue = a.name
                 where not q.paused order by a.n);
end $$;

-- Stops, or goes on, giving out the work of a queue.
create or replace function {schema}.pause_queue(p_app text, p_queue text, p_paused boolean)
returns void language plpgsql {definer} as $$
begin
    insert into queue (app_id, queue, paused) values (p_app, p_queue, p_paused)
    on conflict (app_id, queue) do update set paused = excluded.paused;
    if not p_paused then
        perform notify(p_app, 'work');
    end if;
end $$;

-- Whether anything live points at an invocation made in a span of time. Internal.
create or replace function {schema}.pointed_into(p_from timestamptz, p_until timestamptz)
returns boolean language sql stable
begin atomic
    select exists (select from {schema}.invocation_state
                   where invocation_id >= {schema}.first_id(p_from) and invocation_id < {schema}.first_id(p_until))
        or exists (select from {schema}.wait_edge
                   where awaited_id >= {schema}.first_id(p_from) and awaited_id < {schema}.first_id(p_until))
        or exists (select from {schema}.payload_ref
                   where invocation_id >= {schema}.first_id(p_from) and invocation_id < {schema}.first_id(p_until));
end;

-- What must hold before calls can be written: ids of about now, their partitions, their queue.
-- Internal. Raises PN009.
create or replace function {schema}.prepare_registration(
    p_app text, p_queue text, p_ids uuid[], p_now timestamptz
) returns void language plpgsql as $$
declare
    v_id   uuid;
    v_low  uuid := first_id(p_now - interval '1 day');
    v_high uuid := first_id(p_now + interval '1 day');
begin
    select id into v_id from unnest(p_ids) id where id < v_low or id >= v_high limit 1;
    if found then
        raise exception 'the id % was made at %, but the database''s time is %: % apart',
                v_id, id_time(v_id), p_now, p_now - id_time(v_id)
            using errcode = 'PN009', hint = 'Set the clock of the machine that made the id.';
    end if;
    if to_regclass(partition_name('invocation_history', p_now)) is null
       or to_regclass(partition_name('invocation', date_trunc('week', p_now + interval '1 day', 'UTC'))) is null
    then
        perform ensure_partitions();
    end if;
    if not exists (select from queue where app_id = p_app and queue = p_queue) then
        insert into queue (app_id, queue) values (p_app, p_queue) on conflict do nothing;
    end if;
end $$;

-- Makes ready what is due; answers how many, and in how many seconds the next is due.
-- Moves nothing: due_at is cleared. Locks: rows by their time (skip locked).
create or replace function {schema}.promote(
    p_app text, p_limit integer, out promoted integer, out next_due double precision
) language plpgsql {definer} as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    perform check_isolation();
    with due as materialized (
        select s.invocation_id from invocation_state s
        where s.app_id = p_app and s.due_at <= v_now
        order by s.due_at limit p_limit for no key update skip locked
    )
    update invocation_state s set due_at = null, previous_status = s.status
    from due d where s.invocation_id = d.invocation_id;
    get diagnostics promoted = row_count;
    if promoted > 0 then
        perform notify(p_app, 'work');
    end if;
    select case when s.due_at > v_now then extract(epoch from s.due_at - v_now) else 0 end into next_due
    from invocation_state s where s.app_id = p_app and s.due_at is not null
    order by s.due_at limit 1;
end $$;

-- Removes every invocation of an app, live and finished, with its history; answers how many.
-- For operators and tests: the one verb that the guard lets pass.
create or replace function {schema}.purge(p_app text) returns bigint
language plpgsql {definer} as $$
declare
    v_count bigint;
begin
    perform check_isolation();
    perform set_config('pynenc.purge', pg_current_xact_id()::text, true);
    delete from wait_edge e where e.app_id = p_app;
    delete from slot x using lane l where l.lane_id = x.lane and l.app_id = p_app;
    delete from invocation_state s where s.app_id = p_app;
    delete from lane l where l.app_id = p_app;
    delete from invocation_outcome o where o.app_id = p_app;
    delete from invocation_error e using invocation i
    where i.invocation_id = e.invocation_id and i.app_id = p_app;
    delete from payload_ref r where r.app_id = p_app;
    delete from payload p where p.app_id = p_app;
    delete from invocation i where i.app_id = p_app;
    get diagnostics v_count = row_count;
    delete from invocation_history h where h.app_id = p_app;
    perform set_config('pynenc.purge', '', true);
    return v_count;
end $$;

-- Ends what took its worker down more often than allowed. Internal to recover; rows locked.
-- Moves: running_recovery -> failed (recoveries_exhausted). Answers how many.
create or replace function {schema}.quarantine(p_ids uuid[], p_max_recoveries integer)
returns integer language plpgsql as $$
declare
    v_off uuid[];
begin
    v_off := array(select s.invocation_id from invocation_state s
                   where s.invocation_id = any (p_ids) and s.recoveries > p_max_recoveries
                     and s.status = 'running_recovery' and s.cancel_requested_at is null);
    if v_off <> '{}' then
        perform end_unowned(v_off, 'failed', 'recoveries_exhausted', 'recovery');
    end if;
    return cardinality(v_off);
end $$;

-- Takes from dead runners what they held, and from live ones what they did not begin in time.
-- A runner is dead when its session lock is gone for longer than the grace, or its lease is over;
-- never by how long a task runs. Locks that fell with a restart of the server prove nothing.
-- p_max_pending null: live runners are not looked at, which costs a look at all they hold.
-- Moves: pending -> pending_recovery; begun -> running_recovery; both -> rerouted | failed.
-- Locks: one recovery at a time per app, lanes by key, then rows (skip locked: next time).
create or replace function {schema}.recover(
    p_app text, p_grace double precision, p_max_pending double precision,
    p_max_recoveries integer, p_limit integer,
    out rerouted integer, out quarantined integer, out dead text[], out next_look double precision
) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_late  timestamptz := v_now - make_interval(secs => p_max_pending);
    v_lanes bigint[];
    v_ids   uuid[];
    v_gone  text[];
begin
    rerouted := 0;
    quarantined := 0;
    dead := '{}';
    perform check_isolation();
    if not pg_try_advisory_xact_lock(lock_space(), -1000 - (hashtext(p_app) & 1048575)) then
        return;
    end if;
    dead := mark_dead_runners(p_app, p_grace, v_now);
    v_ids := array(
        select s.invocation_id from runner r cross join lateral (
            select s.invocation_id from invocation_state s
            where s.runner_id = r.runner_id and s.runner_id is not null limit p_limit) s
        where r.app_id = p_app and r.dead_at is not null limit p_limit);
    if v_late is not null then
        v_ids := v_ids || array(
            select s.invocation_id from runner r cross join lateral (
                select s.invocation_id from invocation_state s
                where s.runner_id = r.runner_id and s.runner_id is not null
                  and s.status = 'pending' and s.status_at < v_late limit p_limit) s
            where r.app_id = p_app and r.dead_at is null limit p_limit - cardinality(v_ids));
    end if;
    v_lanes := lock_lanes(v_ids);
    with mine as materialized (
        select s.invocation_id
        from (select id from unnest(v_ids) id order by id) i cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = i.id and exists (
                select from runner r where r.runner_id = s.runner_id
                and (r.dead_at is not null or s.status = 'pending' and s.status_at < v_late) offset 0)
            offset 0 for no key update skip locked) s
    ), stopped as (
        update invocation_state s
        set status = case when s.status = 'pending' then 'pending_recovery'
                          else 'running_recovery' end::invocation_status,
            previous_status = s.status, status_at = greatest(v_now, s.status_at),
            reason = null, runner_id = null, rev = s.rev + 1, proof = s.lease + s.rev + 1,
            changed_by = 'recovery', recoveries = s.recoveries + (s.status <> 'pending')::int
        from mine m where s.invocation_id = m.invocation_id
        returning s.invocation_id
    )
    select array(select x.invocation_id from stopped x) into v_ids;
    if v_ids <> '{}' then
        quarantined := quarantine(v_ids, p_max_recoveries);
        perform reroute_stopped(v_ids, 'recovery');
        rerouted := cardinality(v_ids) - quarantined;
        delete from wait_edge e where e.waiter_id = any (v_ids);
        if v_lanes is not null then
            perform free_slots(p_app, v_lanes, v_ids, 'recovery');
        end if;
        perform notify(p_app, 'work');
    end if;

    -- Locked first, looked at in a new statement: a claim that began before its runner was declared
    -- dead may have ended in between, and what it took is found by the runner's row alone.
    v_gone := array(select r.runner_id from runner r where r.app_id = p_app and r.dead_at is not null
                    for update skip locked);
    if v_gone <> '{}' then
        delete from runner r where r.runner_id = any (v_gone)
        and not exists (select from invocation_state s where s.runner_id = r.runner_id);
    end if;
    select extract(epoch from min(r.lock_gone_at) + make_interval(secs => p_grace) - clock_timestamp())
    into next_look from runner r where r.app_id = p_app and r.dead_at is null;
end $$;

-- Accepts calls of one task as REGISTERED, all or none; returns the id each call became.
-- Moves: (new) -> registered. Locks: lanes by key (key share), then registration keys in order.
-- Raises: PN008 isolation, PN009 an id whose time is more than a day off.
create or replace function {schema}.register(
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[]
) returns uuid[] language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_due     timestamptz := case when p_delay > 0 then v_now + make_interval(secs => p_delay) end;
    v_expires timestamptz := v_now + make_interval(secs => p_expires_in);
    v_rank    double precision := extract(epoch from coalesce(v_due, v_now)) - p_priority * 60;
    v_lanes   bigint[] := array_fill(null::bigint, array[cardinality(p_ids)]);
    v_become  uuid[] := p_ids;
    v_fresh   uuid[];
begin
    perform check_isolation();
    perform prepare_registration(p_app, p_queue, p_ids, v_now);
    if p_lane_keys is not null then
        v_lanes := share_lanes(p_app, p_queue, p_lane_keys, p_slots, p_changed_by);
    end if;
    if p_registration_keys is not null then
        v_become := reserve_keys(p_app, p_queue, v_now, v_due, v_expires, v_rank, p_must_not_wait,
                                 p_changed_by, p_ids, p_registration_keys, v_lanes);
    end if;

    with fresh as (
        insert into invocation (
            invocation_id, app_id, task_id, call_id, arguments, options, queue, priority,
            parent_id, depth, registered_at, registered_by)
        select c.id, p_app, p_task, c.call_id, c.arguments::json, p_options::json, p_queue,
               p_priority, p_parent, p_depth, v_now, p_changed_by
        from unnest(p_ids, p_call_ids, p_arguments, v_become) c (id, call_id, arguments, become)
        where c.id = c.become
        on conflict (invocation_id) do nothing
        returning invocation_id
    )
    select array(select f.invocation_id from fresh f) into v_fresh;
    if p_registration_keys is null then
        insert into invocation_state (
            invocation_id, app_id, queue, status, status_at, changed_by, rank, due_at, expires_at,
            lane, must_not_wait)
        select c.id, p_app, p_queue, 'registered', v_now, p_changed_by, v_rank, v_due, v_expires,
               c.lane, p_must_not_wait
        from unnest(p_ids, v_lanes) with ordinality c (id, lane, n)
        where cardinality(v_fresh) = cardinality(p_ids)
           or c.id = any (v_fresh) and c.n = array_position(p_ids, c.id);
    end if;

    if v_due is not null then
        perform notify(p_app, 'due', to_json(p_delay));
    elsif not p_own_connection or somebody_idle(p_app, v_now) then
        perform notify(p_app, 'work');
    end if;
    return v_become;
end $$;

-- Gives back what a runner holds; spends no retry and no recovery. Answers only those lost.
-- Moves: pending -> rerouted; running, paused, resumed -> killed -> rerouted; with cancellation
-- asked for: -> failed. Locks: lanes by key, then rows by id.
create or replace function {schema}.release(p_app text, p_runner text, p_ids uuid[], p_leases bigint[])
returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_lanes bigint[];
    v_done  uuid[];
begin
    perform check_isolation();
    v_lanes := lock_lanes(p_ids);
    with mine as materialized (
        select s.invocation_id
        from (select * from unnest(p_ids, p_leases) h (id, lease) order by id) h cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = h.id and s.lease = h.lease
              and s.runner_id is not distinct from p_runner
            offset 0 for no key update) s
    ), given as (
        update invocation_state s
        set status = case when s.status = 'pending' then 'rerouted' else 'killed' end::invocation_status,
            previous_status = s.status, status_at = greatest(v_now, s.status_at), reason = null,
            runner_id = null, rev = s.rev + 1, proof = s.lease + s.rev + 1, changed_by = p_runner
        from mine m where s.invocation_id = m.invocation_id
        returning s.invocation_id
    )
    select array(select g.invocation_id from given g) into v_done;
    -- One statement cannot change a row twice.
    perform reroute_stopped(v_done, p_runner);
    if v_lanes is not null then
        perform free_slots(p_app, v_lanes, v_done, p_runner);
    end if;
    if v_done <> '{}' then
        delete from wait_edge e where e.waiter_id = any (v_done);
        perform notify(p_app, 'work');
    end if;
    return query
    select h.id, 'lost' from unnest(p_ids) h (id) where h.id <> all (v_done);
end $$;

-- Writes the hot rows of calls of which some have a registration key, one per key; a call whose
-- key is taken by a not-yet-started invocation becomes that one. Internal; answers in order.
-- Locks: the rows that hold the keys, by id like every verb; rows that appear meanwhile, by key.
-- The lock keeps an invocation that is reused from starting before the caller commits.
create or replace function {schema}.reserve_keys(
    p_app text, p_queue text, p_now timestamptz, p_due timestamptz, p_expires timestamptz,
    p_rank double precision, p_must_not_wait boolean, p_changed_by text,
    p_ids uuid[], p_keys text[], p_lanes bigint[]
) returns uuid[] language plpgsql as $$
declare
    v_become uuid[];
    v_held   uuid[];
begin
    v_held := array(select s.invocation_id from unnest(p_keys) k (key) cross join lateral (
                        select s.invocation_id from invocation_state s
                        where s.app_id = p_app and s.registration_key = k.key offset 0) s);
    perform from invocation_state s where s.invocation_id = any (v_held)
    order by s.invocation_id for no key update;

    with call as (
        select c.id, c.key, c.lane, c.n
        from unnest(p_ids, p_keys, p_lanes) with ordinality c (id, key, lane, n)
    ), once as materialized (
        -- The same id again is the same call: here, and from an earlier try.
        select distinct on (c.id) c.* from call c order by c.id, c.n
    ), known as materialized (
        select c.id from once c where exists (select from invocation i where i.invocation_id = c.id)
    ), first as (
        select distinct on (c.key, c.alone) c.id, c.key, c.lane
        from (select *, case when key is null then id end as alone from once) c
        where c.id not in (select id from known) order by c.key, c.alone, c.n
    ), held as (
        insert into invocation_state as s (
            invocation_id, app_id, queue, status, status_at, changed_by, rank, due_at, expires_at,
            lane, must_not_wait, registration_key)
        select f.id, p_app, p_queue, 'registered', p_now, p_changed_by, p_rank, p_due, p_expires,
               f.lane, p_must_not_wait, f.key
        from first f order by f.key
        on conflict (app_id, registration_key) where registration_key is not null
        do update set previous_status = s.status
        returning s.invocation_id, s.registration_key
    )
    select array_agg(case when o.key is null or o.id in (select id from known) then o.id
                     else h.invocation_id end order by c.n)
    into v_become
    from call c join once o on o.id = c.id left join held h on h.registration_key = o.key;
    return v_become;
end $$;

-- Ends an attempt after which another one is to follow. Answers only those not done: lost | already.
-- Moves: running, resumed -> retry; with cancellation asked for: -> failed after it.
-- Locks: lanes by key, then rows by id. retries grow with the reasons error and timeout alone.
create or replace function {schema}.retry(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_reasons text[],
    p_delays double precision[], p_errors text[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_lanes bigint[];
    v_done  uuid[];
    v_off   uuid[];
    v_next  double precision;
    v_ready boolean;
begin
    perform check_isolation();
    v_lanes := lock_lanes(p_ids);
    with mine as materialized (
        select s.invocation_id, e.reason, e.delay, e.error
        from (select * from unnest(p_ids, p_leases, p_reasons, p_delays, p_errors)
                   e (id, lease, reason, delay, error) order by id) e
        cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = e.id and s.lease = e.lease
              and s.runner_id is not distinct from p_runner and s.status in ('running', 'resumed')
            offset 0 for no key update) s
    ), again as (
        update invocation_state s
        set status = 'retry', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = m.reason, runner_id = null,
            rev = s.rev + 1, proof = s.lease + s.rev + 1, changed_by = p_runner,
            retries = s.retries + (m.reason in ('error', 'timeout'))::int,
            due_at = case when m.delay > 0 then v_now + make_interval(secs => m.delay) end
        from mine m where s.invocation_id = m.invocation_id
        returning s.invocation_id, s.rev, m.error, m.delay, s.cancel_requested_at
    ), kept as (
        insert into invocation_error (invocation_id, rev, error, at)
        select a.invocation_id, a.rev, a.error::json, v_now from again a where a.error is not null
    )
    select array_agg(a.invocation_id),
           array_agg(a.invocation_id) filter (where a.cancel_requested_at is not null),
           min(a.delay) filter (where a.delay > 0), bool_or(coalesce(a.delay, 0) <= 0)
    into v_done, v_off, v_next, v_ready from again a;

    if v_off is not null then
        perform end_unowned(v_off, 'failed', 'cancelled', p_runner);
    end if;
    if v_lanes is not null then
        perform free_slots(p_app, v_lanes, v_done, p_runner);
    end if;
    if v_ready then
        perform notify(p_app, 'work');
    end if;
    if v_next is not null then
        perform notify(p_app, 'due', to_json(v_next));
    end if;
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select e.id, case when exists (
        select from invocation_history h where h.invocation_id = e.id and h.status = 'retry'
        and h.lease = e.lease offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) e (id, lease) where e.id <> all (coalesce(v_done, '{}'));
end $$;

-- Work with a concurrency key, second half of claim: gives back the slots of candidates that were
-- not taken; in lanes that are now full, parks the next ready one (so that people see what it
-- waits for) and ends those that must not wait. Internal: the lanes are locked by claim.
-- Moves: available -> concurrency_controlled | concurrency_controlled_final.
create or replace function {schema}.settle_slots(
    p_lanes bigint[], p_candidates uuid[], p_taken uuid[], p_runner text, p_now timestamptz
) returns void language plpgsql as $$
declare
    v_full bigint[];
    v_ids  uuid[];
begin
    delete from slot x
    where x.invocation_id = any (p_candidates) and x.invocation_id <> all (p_taken);
    v_full := array(select l.lane_id from lane l where l.lane_id = any (p_lanes)
                    and l.slots <= (select count(*) from slot x where x.lane = l.lane_id));

    v_ids := array(select s.invocation_id from invocation_state s
                   where s.lane = any (v_full) and s.must_not_wait and s.due_at is null
                     and s.available and not s.parked
                     and s.invocation_id <> all (p_taken)
                   order by s.invocation_id for update skip locked);
    if v_ids <> '{}' then
        perform end_unowned(v_ids, 'concurrency_controlled_final', null, p_runner);
    end if;

    v_ids := array(
        select n.invocation_id from unnest(v_full) f (lane) cross join lateral (
            select s.invocation_id from invocation_state s
            where s.lane = f.lane and s.lane is not null and s.due_at is null
              and s.available and not s.parked
              and s.invocation_id <> all (p_taken)
            order by s.rank, s.invocation_id limit 1 for no key update skip locked) n
        -- Only where this claim took something: a lane that was full before was not offered.
        where exists (select from slot x where x.lane = f.lane and x.invocation_id = any (p_taken) offset 0));
    update invocation_state s
    set status = 'concurrency_controlled', previous_status = s.status,
        status_at = greatest(p_now, s.status_at), reason = null, rev = s.rev + 1,
        changed_by = p_runner
    where s.invocation_id = any (v_ids);
end $$;

-- Finds or makes the lanes of concurrency keys and holds them (key share, by key) so that
-- maintain cannot remove them before the calls stand in them. The newest call says how many slots
-- a lane has. Internal; answers in order.
create or replace function {schema}.share_lanes(
    p_app text, p_queue text, p_keys text[], p_slots integer, p_changed_by text
) returns bigint[] language plpgsql as $$
declare
    v_lanes bigint[];
begin
    loop
        insert into lane (app_id, queue, key, slots)
        select p_app, p_queue, k.key, p_slots
        from (select distinct key from unnest(p_keys) key where key is not null order by key) k
        on conflict (app_id, key) do nothing;

        perform from (select key from unnest(p_keys) key order by key) k cross join lateral (
            select from lane l where l.app_id = p_app and l.key = k.key offset 0 for key share) l;

        select array_agg(l.lane_id order by k.n) into v_lanes
        from unnest(p_keys) with ordinality k (key, n)
        left join lateral (select l.lane_id from lane l
                           where l.app_id = p_app and l.key = k.key offset 0) l on true;
        -- A lane that was idle may have been removed between the two statements: once more.
        exit when cardinality(array_remove(v_lanes, null)) = cardinality(array_remove(p_keys, null));
    end loop;

    if exists (select from lane l where l.lane_id = any (v_lanes)
               and (l.slots <> p_slots or l.queue <> p_queue)) then
        perform from lane l where l.lane_id = any (v_lanes) order by l.key for no key update;
        update lane l set slots = p_slots, queue = case when l.queue = p_queue then l.queue end
        where l.lane_id = any (v_lanes) and (l.slots <> p_slots or l.queue <> p_queue);
        -- More slots than before: who was parked need not wait for the next end.
        if reroute_parked(v_lanes, p_changed_by) then
            perform notify(p_app, 'work');
        end if;
    end if;
    return v_lanes;
end $$;

-- Begins what was claimed. Answers only those that were not done: lost | already.
-- Moves: pending -> running; with cancellation asked for: pending -> rerouted -> failed.
-- Locks: rows by id (and, for the cancelled, their lanes first).
create or replace function {schema}.start(p_app text, p_runner text, p_ids uuid[], p_leases bigint[])
returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now    timestamptz := clock_timestamp();
    v_done   uuid[];
    v_off    uuid[];
    v_leases bigint[];
begin
    perform check_isolation();
    select array_agg(s.invocation_id), array_agg(s.lease) into v_off, v_leases
    from unnest(p_ids, p_leases) h (id, lease) cross join lateral (
        select * from invocation_state s where s.invocation_id = h.id offset 0) s
    where s.lease = h.lease and s.status = 'pending' and s.cancel_requested_at is not null;
    if v_off is not null then
        perform release(p_app, p_runner, v_off, v_leases);
    end if;

    with mine as materialized (
        select s.invocation_id
        from (select * from unnest(p_ids, p_leases) h (id, lease) order by id) h cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = h.id and s.lease = h.lease
              and s.runner_id is not distinct from p_runner and s.status = 'pending'
            offset 0 for no key update) s
    ), begun as (
        update invocation_state s
        set status = 'running', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = null, rev = s.rev + 1,
            proof = s.lease + s.rev + 1, changed_by = p_runner, registration_key = null,
            expires_at = null
        from mine m where s.invocation_id = m.invocation_id
        returning s.invocation_id
    )
    select array(select b.invocation_id from begun b) into v_done;
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select h.id, case when exists (
        select from invocation_state s where s.invocation_id = h.id
        and s.runner_id is not distinct from p_runner
        and s.lease = h.lease offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) h (id, lease) where h.id <> all (v_done);
end $$;

-- Work with a concurrency key, first half of claim: locks lanes that have room, in the order of
-- their turn, and gives a slot to each candidate. Internal; settle_slots is the second half.
-- Costs one look at the lane table where no lane is in use.
create or replace function {schema}.take_slots(
    p_app text, p_queues text[], p_limit integer, p_now timestamptz,
    out lanes bigint[], out candidates uuid[]
) language plpgsql as $$
begin
    candidates := '{}';
    lanes := array(
        select t.lane_id from (
            select x.* from unnest(p_queues) q (name) cross join lateral (
                select l.lane_id, l.served, l.key from lane l
                where l.app_id = p_app and l.queue = q.name
                  and (l.next_at is null or l.next_at <= p_now)
                  and (exists (select from invocation_state s
                               where s.lane = l.lane_id and s.must_not_wait and s.due_at is null
                                 and s.available and not s.parked)
                       or l.slots > (select count(*) from slot x where x.lane = l.lane_id)
                          and exists (select from invocation_state s
                                      where s.lane = l.lane_id and s.lane is not null
                                        and s.due_at is null and s.available and not s.parked
                                      offset 0))
                order by l.served, l.key limit p_limit for no key update skip locked) x
            union all
            select y.* from (
                select l.lane_id, l.served, l.key from lane l
                where l.queue is null and l.app_id is not distinct from p_app
                  and (l.next_at is null or l.next_at <= p_now)
                  and (exists (select from invocation_state s
                               where s.lane = l.lane_id and s.must_not_wait and s.due_at is null
                                 and s.available and not s.parked)
                       or l.slots > (select count(*) from slot x where x.lane = l.lane_id)
                          and exists (select from invocation_state s
                                      where s.lane = l.lane_id and s.lane is not null
                                        and s.due_at is null and s.available and not s.parked
                                      offset 0))
                order by l.served, l.key limit p_limit for no key update skip locked) y
        ) t order by t.served, t.key limit p_limit);
    if lanes = '{}' then
        return;
    end if;

    -- A new statement, so a new snapshot: what the lanes hold now that they are ours.
    with room as materialized (
        -- After its slots were lowered a lane may hold numbers above them: those count, too.
        select l.lane_id, l.slots - (select count(*) from slot x where x.lane = l.lane_id) as room,
               array(select g from generate_series(1, l.slots) g
                     where g not in (select x.n from slot x where x.lane = l.lane_id)) as free
        from lane l where l.lane_id = any (lanes)
    ), filled as (
        insert into slot (lane, n, invocation_id)
        select r.lane_id, r.free[s.n], s.invocation_id
        from room r cross join lateral (
            select w.invocation_id, row_number() over (order by w.rank, w.invocation_id) as n
            from (select a.invocation_id, a.rank from invocation_state a
                  where a.lane = r.lane_id and a.lane is not null and a.queue = any (p_queues)
                    and a.available and not a.parked and a.due_at is null
                    and (a.expires_at is null or a.expires_at > p_now)
                  order by a.rank, a.invocation_id
                  limit greatest(0, least(p_limit, r.room))
                  for no key update skip locked) w) s
        returning invocation_id
    )
    select array(select f.invocation_id from filled f) into candidates;
    update lane l set served = p_now where l.lane_id = any (lanes);
end $$;

-- A runner says goodbye: what it still holds is released, its row and lock go.
create or replace function {schema}.unregister_runner(p_app text, p_runner text)
returns void language plpgsql {definer} as $$
declare
    v_serial integer;
    v_ids    uuid[];
    v_leases bigint[];
begin
    perform check_isolation();
    -- First: a claim of this runner that is under way ends before it is looked what the runner holds.
    perform from runner r where r.runner_id = p_runner and r.app_id = p_app for update;
    select array_agg(s.invocation_id), array_agg(s.lease) into v_ids, v_leases
    from invocation_state s where s.runner_id = p_runner and s.app_id = p_app;
    if v_ids is not null then
        perform release(p_app, p_runner, v_ids, v_leases);
    end if;
    delete from runner r where r.runner_id = p_runner and r.app_id = p_app returning r.serial into v_serial;
    if found and exists (
        select from pg_locks l where l.locktype = 'advisory' and l.pid = pg_backend_pid()
        and l.classid = lock_space()::oid and l.objid = v_serial::oid and l.objsubid = 2
    ) then
        perform pg_advisory_unlock(lock_space(), v_serial);
    end if;
    perform notify(p_app, 'runner');
end $$;

-- Asks for a notification on the channel p_listener when each of these ends; answers those that
-- are not live, so that the caller reads their outcomes now.
-- Locks: the hot rows by id, key share: an end waits for us, a claim does not.
create or replace function {schema}.watch(p_app text, p_ids uuid[], p_listener text)
returns uuid[] language plpgsql {definer} as $$
declare
    v_live uuid[];
begin
    perform check_isolation();
    perform from invocation_state s where s.invocation_id = any (p_ids)
    order by s.invocation_id for key share;
    -- A new statement: those that ended while we waited are gone from here.
    v_live := array(select s.invocation_id from invocation_state s
                    where s.invocation_id = any (p_ids) and s.app_id = p_app);
    insert into wait_edge (app_id, awaited_id, listener)
    select p_app, l.id, p_listener from unnest(v_live) l (id)
    on conflict (awaited_id, listener, waiter_id) do nothing;
    return array(select i from unnest(p_ids) i where i <> all (v_live));
end $$;

revoke all on all functions in schema {schema} from public;
