-- Gives out up to p_limit causes to be looked at, of the triggers that the caller has, for p_seconds:
-- whoever has not answered by then will not, and when the runner dies or leaves they come back at once. Answers them with all that is
-- known of what happened, those that go together as one. Locks: the causes (skip locked).
create or replace function {schema}.take_causes(
    p_app text, p_runner text, p_triggers text[], p_versions text[], p_limit integer,
    p_seconds double precision
) returns table (
    cause_id bigint, trigger_id text, attempts integer, condition_id text, at timestamptz,
    source_id uuid, status text, task_id text, arguments text, value text, reason text,
    code text, payload text, last_at timestamptz
) language plpgsql {definer} as $$
#variable_conflict use_column
declare
    v_now     timestamptz := clock_timestamp();
    v_taken   bigint[] := '{}';
    v_trigger text;
begin
    perform check_isolation();
    for v_trigger in
        select d.trigger_id from unnest(triggers_with_causes(p_app)) n (id)
        cross join lateral (
            select d.trigger_id, d.version from trigger_definition d
            where d.app_id = p_app and d.trigger_id = n.id and d.paused_at is null and d.removed_at is null
            offset 0) d
        where d.version = p_versions[array_position(p_triggers, d.trigger_id)]
        order by random()  -- the flood of one does not starve the others
    loop
        v_taken := v_taken || array(
            select c.cause_id from trigger_cause c
            where c.app_id = p_app and c.trigger_id = v_trigger and c.state = 'new' and c.due_at <= v_now
            order by c.due_at limit p_limit - cardinality(v_taken) for no key update skip locked);
        exit when cardinality(v_taken) >= p_limit;
    end loop;
    if v_taken = '{}' then
        return;
    end if;
    update trigger_cause c
    set attempts = c.attempts + 1, due_at = v_now + make_interval(secs => p_seconds), taken_by = p_runner
    where c.cause_id = any (v_taken);
    return query
    select l.cause_id, l.trigger_id, l.attempts, c.condition_id, c.at, c.source_id, c.status::text,
           i.task_id, i.arguments::text, o.value::text, o.reason, e.code, e.payload::text,
           c.last_at
    from unnest(v_taken) with ordinality t (id, n)
    cross join lateral (select * from trigger_cause l where l.cause_id = t.id offset 0) l
    cross join lateral unnest(l.cause_id || l.partners) m (id)
    cross join lateral (select * from trigger_cause c where c.cause_id = m.id offset 0) c
    left join lateral (select * from invocation i
                       where i.invocation_id = c.source_id and c.status is not null offset 0) i on true
    left join lateral (select * from invocation_outcome o
                       where o.invocation_id = c.source_id and o.status = c.status offset 0) o on true
    left join lateral (select * from event e
                       where e.event_id = c.source_id and c.status is null offset 0) e on e.app_id = p_app
    order by t.n, c.at, c.cause_id;
end $$;
