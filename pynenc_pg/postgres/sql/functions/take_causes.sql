-- Gives out up to p_limit causes to be looked at, of the triggers that the caller has, for p_seconds:
-- whoever has not answered by then has died of it, or somebody else will. Answers them with all that is
-- known of what happened, those that go together as one. Locks: the causes (skip locked).
create or replace function {schema}.take_causes(
    p_app text, p_triggers text[], p_versions text[], p_limit integer, p_seconds double precision
) returns table (
    cause_id bigint, trigger_id text, attempts integer, condition_id text, at timestamptz,
    source_id uuid, status text, task_id text, arguments text, value text, reason text,
    code text, payload text, last_at timestamptz
) language plpgsql {definer} as $$
#variable_conflict use_column
declare
    v_now   timestamptz := clock_timestamp();
    v_taken bigint[];
begin
    perform check_isolation();
    v_taken := array(
        select c.cause_id from trigger_cause c
        where c.app_id = p_app and c.state = 'new' and c.due_at <= v_now
          and exists (select from trigger_definition d
                      join unnest(p_triggers, p_versions) t (id, version)
                           on t.id = d.trigger_id and t.version = d.version
                      where d.app_id = p_app and d.trigger_id = c.trigger_id and d.paused_at is null offset 0)
        order by c.due_at limit p_limit for no key update skip locked);
    if v_taken = '{}' then
        return;
    end if;
    update trigger_cause c
    set attempts = c.attempts + 1, due_at = v_now + make_interval(secs => p_seconds)
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
                       where e.event_id = c.source_id and c.status is null offset 0) e on true
    order by t.n, c.at, c.cause_id;
end $$;
