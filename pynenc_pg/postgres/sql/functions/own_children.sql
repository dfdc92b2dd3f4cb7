-- Whether these are children of the invocation that have no concurrency key and wait for nobody.
-- Internal to lock_waits.
create or replace function {schema}.own_children(p_id uuid, p_ids uuid[]) returns boolean
language plpgsql as $$
begin
    return not exists (
        select from unnest(p_ids) a (id)
        where exists (select from wait_edge e where e.waiter_id = a.id)
           or exists (select from invocation_state s
                      where s.invocation_id = a.id and s.lane is not null offset 0)
           or not exists (select from invocation i
                          where i.invocation_id = a.id and i.parent_id = p_id offset 0));
end $$;
