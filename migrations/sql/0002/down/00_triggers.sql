drop trigger open_lanes_taken on {schema}.slot;
drop trigger open_lanes_freed on {schema}.slot;
