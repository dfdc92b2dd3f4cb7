-- Writes down what causes have started, and ends them: in the statement that registers it, whose answer
-- it passes on. Raises: PN026 one of them is not the caller's any more, DETAIL: which; nothing is started.
-- Locks: the causes by id, after those of register.
create or replace function {schema}.fire(
    p_app text, p_causes bigint[], p_attempts integer[], p_became uuid[], p_arguments text[]
) returns uuid[] language plpgsql {definer} as $$
declare
    v_now  timestamptz := clock_timestamp();
    v_mine bigint[];
begin
    v_mine := array(
        select c.cause_id from (
            select * from unnest(p_causes, p_attempts) a (id, attempts) order by id) a
        cross join lateral (
            select * from trigger_cause c where c.cause_id = a.id offset 0 for update) c
        where c.attempts = a.attempts and c.state = 'new' and c.app_id = p_app);
    if cardinality(v_mine) < cardinality(p_causes) then
        raise exception 'causes are not the caller''s any more: others have looked at them'
            using errcode = 'PN026', hint = 'Go on with the rest.',
                  detail = array_to_string(array(select c from unnest(p_causes) c where c <> all (v_mine)), ' ');
    end if;
    insert into trigger_run (app_id, trigger_id, version, task_id, cause_id, causes, arguments,
                             invocation_id, fired_at)
    select p_app, c.trigger_id, d.version, d.task_id, c.cause_id, cause_as_json(c), f.arguments::json,
           f.became, v_now
    from unnest(p_causes, p_became, p_arguments) f (id, became, arguments)
    cross join lateral (select * from trigger_cause c where c.cause_id = f.id offset 0) c
    cross join lateral (select * from trigger_definition d
                        where d.app_id = c.app_id and d.trigger_id = c.trigger_id offset 0) d;
    delete from trigger_cause c
    where c.cause_id = any (p_causes || array(
        select p from unnest(p_causes) f (id)
        cross join lateral (select x.partners from trigger_cause x where x.cause_id = f.id offset 0) x
        cross join lateral unnest(x.partners) p));
    return p_became;
end $$;
