-- Whether anything is live of what an invocation has called, and of what that has. Internal to unreferred.
create or replace function {schema}.is_live_below(p_id uuid) returns boolean language plpgsql stable as $$
begin
    return exists (
        with recursive below (id) as (
            select p_id
            union
            select c.invocation_id from below b cross join lateral (
                select i.invocation_id from invocation i where i.parent_id = b.id offset 0) c)
        select from below b cross join lateral (
            select from invocation_state s where s.invocation_id = b.id offset 0) s);
end $$;
