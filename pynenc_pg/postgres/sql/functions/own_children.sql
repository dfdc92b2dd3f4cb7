-- Whether these are children of the invocation that have no concurrency key and wait for nobody.
-- Internal to lock_waits.
create or replace function {schema}.own_children(p_id uuid, p_ids uuid[]) returns boolean
language plpgsql as $$
begin
    return not exists (select from wait_edge e where e.waiter_id = any (p_ids))
       and not exists (
           select from unnest(p_ids) a (id) cross join lateral (
               select s.lane from invocation_state s where s.invocation_id = a.id offset 0) s
           where s.lane is not null)
       and not exists (
           select from unnest(p_ids) a (id) left join lateral (
               select i.parent_id from invocation i where i.invocation_id = a.id offset 0) i on true
           where i.parent_id is distinct from p_id);
end $$;
