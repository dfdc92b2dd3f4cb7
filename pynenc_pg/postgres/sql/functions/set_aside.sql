-- Gives back what the runner's own code cannot take, and sets it aside until a runner comes that can.
-- Where one is there already it is offered again soon, later with each refusal: two versions of the code
-- may run side by side, and a claim does not ask who can take what. Answers only those not done.
-- p_said: {"cause", "missing", "unknown"} of each. Spends no retry, and what must be begun in its time
-- and never was has to still.
-- Moves: running, resumed -> retry (snoozed); with cancellation asked for: -> failed after it.
-- Locks: lock_tasks, then lanes by key, then rows by id.
create or replace function {schema}.set_aside(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_said text[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
#variable_conflict use_column
declare
    v_now     timestamptz := clock_timestamp();
    v_not     uuid[];
    v_answers text[];
    v_kept    uuid[];
    v_again   uuid[];
    v_next    double precision;
begin
    perform check_isolation();
    perform lock_tasks(p_app);
    select coalesce(array_agg(r.invocation_id), '{}'), array_agg(r.answer) into v_not, v_answers
    from retry(p_app, p_runner, p_ids, p_leases,
               array_fill('snoozed'::text, array[cardinality(p_ids)]),
               array_fill(100 * 365.25 * 86400::double precision, array[cardinality(p_ids)]),
               array_fill(null::text, array[cardinality(p_ids)])) r;
    with kept as (
        insert into aside as a (invocation_id, app_id, task_id, queue, names, cause, missing, unknown,
                                refused_by, refusals, since)
        select i.invocation_id, p_app, i.task_id, i.queue,
               array(select distinct k from json_object_keys(i.arguments) k order by k),
               e.said->>'cause', array(select json_array_elements_text(e.said->'missing')),
               array(select json_array_elements_text(e.said->'unknown')), array[p_runner], 1, v_now
        from (select distinct on (u.id) u.id, u.said::json as said from unnest(p_ids, p_said) u (id, said)
              where u.id <> all (v_not) order by u.id) e
        cross join lateral (select s.queue from invocation_state s
                            where s.invocation_id = e.id and s.status = 'retry' offset 0) s
        cross join lateral (select * from invocation i where i.invocation_id = e.id offset 0) i
        on conflict (invocation_id) do update
        set cause = excluded.cause, missing = excluded.missing, unknown = excluded.unknown,
            refused_by = array_remove(a.refused_by, p_runner) || p_runner,
            refusals = a.refusals + 1, since = excluded.since, freed_at = null
        returning a.invocation_id
    )
    select array(select k.invocation_id from kept k) into v_kept;

    update invocation_state s set expires_at = i.expires_at, previous_status = s.status
    from unnest(v_kept) k (id)
    cross join lateral (select i.expires_at from invocation i where i.invocation_id = k.id offset 0) i
    cross join lateral (select a.refusals from aside a where a.invocation_id = k.id offset 0) a
    where s.invocation_id = any (array[k.id]) and i.expires_at is not null and a.refusals >= (
        select count(*) from invocation_history h where h.invocation_id = k.id and h.status = 'running');

    v_again := array(select k.id from unnest(v_kept) k (id) cross join lateral (
                         select * from aside a where a.invocation_id = k.id offset 0) a
                     where is_able(p_app, a.task_id, a.queue, a.names, a.refused_by));
    if v_again <> '{}' then
        update aside a set freed_at = v_now where a.invocation_id = any (v_again);
        with soon as (
            update invocation_state s
            set previous_status = s.status,
                -- At random: else the same runner might be the first each time.
                due_at = v_now + make_interval(
                    secs => (0.5 + random() / 2) * least(5, 0.25 * 2 ^ least(a.refusals - 1, 10)))
            from unnest(v_again) k (id) cross join lateral (
                select a.refusals from aside a where a.invocation_id = k.id offset 0) a
            where s.invocation_id = any (array[k.id])
            returning s.due_at
        )
        select extract(epoch from min(n.due_at) - v_now) into v_next from soon n;
        perform notify(p_app, 'due', to_json(v_next));
    end if;
    return query select * from unnest(v_not, v_answers);
end $$;
