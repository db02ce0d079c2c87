package tocsin.tests.web_shell_write

import data.tocsin.rules.web_shell_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/var/www/html/uploads/x.php", "O_WRONLY|O_CREAT", testing.by("/usr/sbin/apache2")))

test_match_2 if fires(testing.opened("/srv/app/x.jsp", "O_WRONLY|O_CREAT", object.union(testing.container, testing.by("/usr/sbin/php-fpm8.2"))))

test_evasion_renamed_into_place if fires(testing.renamed("/var/www/html/logo.png", "/var/www/html/logo.phtml", testing.by("/usr/sbin/php-fpm")))

test_near_miss_read if not fires(testing.opened("/var/www/html/index.php", "O_RDONLY", testing.by("/usr/sbin/apache2")))

test_near_miss_image if not fires(testing.opened("/var/www/html/uploads/x.png", "O_WRONLY|O_CREAT", testing.by("/usr/sbin/apache2")))

test_near_miss_editor if not fires(testing.opened("/var/www/html/index.php", "O_WRONLY|O_CREAT", testing.by("/usr/bin/vim")))
