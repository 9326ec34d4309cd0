"""One application, on real servers over loopback sockets and in asgitest: the two have to agree."""
