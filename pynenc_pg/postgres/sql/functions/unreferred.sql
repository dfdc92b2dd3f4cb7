-- Of invocations that have ended, by id, those that nothing needs any more, locked: nobody waits for them,
-- no trigger is about to look at them, no key stands for them nor do they serve equal calls; whoever called
-- them has ended, with all that they have called, and the runs that have them as a step are gone.
-- Internal to prune. Locks: the calls (skip locked: whoever holds one is about to need it).
create or replace function {schema}.unreferred(p_ids uuid[]) returns uuid[] language plpgsql as $$
declare
    v_ids constant uuid[] := idle_below(p_ids);
begin
    return array(
        select i.invocation_id from (select * from unnest(v_ids) u (id) order by u.id) u cross join lateral (
            select i.invocation_id from invocation i
            where i.invocation_id = u.id
              and not exists (select from wait_edge e where e.awaited_id = u.id offset 0)
              and not exists (select from trigger_cause c where c.source_id = u.id offset 0)
              and not exists (select from call_key k where k.invocation_id = u.id offset 0)
              and not exists (select from call_result r where r.invocation_id = u.id offset 0)
              and not exists (select from invocation_state s where s.invocation_id = i.parent_id offset 0)
              and not exists (select from workflow_step s where s.child_id = u.id offset 0)
              and not exists (select from workflow w
                              where w.workflow_id = u.id and w.workflow_id <> w.invocation_id offset 0)
            offset 0 for update skip locked) i);
end $$;
