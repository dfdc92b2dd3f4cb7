-- Gives back what a runner holds without knowing: claims whose answers were lost on the way.
-- p_known: what it knows of. Answers how many there were. Moves and locks: as release; first the
-- runner's row, so that a claim of it that is still under way is waited for.
create or replace function {schema}.release_strays(p_app text, p_runner text, p_known uuid[])
returns integer language plpgsql {definer} as $$
declare
    v_ids    uuid[];
    v_leases bigint[];
begin
    perform check_isolation();
    perform from runner r
    where r.runner_id = p_runner and r.app_id is not distinct from p_app for update;
    select array_agg(s.invocation_id), array_agg(s.lease) into v_ids, v_leases
    from invocation_state s
    where s.runner_id = p_runner and s.runner_id is not null and s.app_id = p_app
      and s.invocation_id <> all (p_known);
    if v_ids is null then
        return 0;
    end if;
    perform release(p_app, p_runner, v_ids, v_leases);
    return cardinality(v_ids);
end $$;
