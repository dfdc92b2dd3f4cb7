-- Of invocations, by id, those below which nothing is live: of what they have called, and of what that has.
-- All at once, each looked at once: one by one the links of a chain would each go down to its end. It goes no
-- further down where a child is live. Internal to unreferred.
create or replace function {schema}.idle_below(p_ids uuid[]) returns uuid[] language plpgsql stable as $$
begin
    return array(
        with recursive below (id, holds) as (
            select b.id, l.found from unnest(p_ids) b (id) cross join lateral (
                select exists (select from (select c.invocation_id from invocation c where c.parent_id = b.id offset 0) c
                               cross join lateral (select from invocation_state s
                                                   where s.invocation_id = c.invocation_id offset 0) s) as found) l
            union
            select b.id, l.found from below a cross join lateral (
                select c.invocation_id as id from invocation c where c.parent_id = a.id offset 0) b
            cross join lateral (
                select exists (select from (select c.invocation_id from invocation c where c.parent_id = b.id offset 0) c
                               cross join lateral (select from invocation_state s
                                                   where s.invocation_id = c.invocation_id offset 0) s) as found) l
            where not a.holds
        ), above (id) as (
            select b.id from below b where b.holds
            union
            select i.parent_id from above a cross join lateral (
                select i.parent_id from invocation i where i.invocation_id = a.id offset 0) i
            where i.parent_id is not null
        )
        select u.id from unnest(p_ids) u (id) except select a.id from above a);
end $$;
