package tests;

import java.lang.instrument.Instrumentation;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.List;
import net.bytebuddy.agent.builder.AgentBuilder;
import net.bytebuddy.asm.Advice;
import net.bytebuddy.matcher.ElementMatchers;
import org.apache.beam.vendor.grpc.v1p69p0.io.grpc.netty.NettyServerBuilder;

/**
 * Runs a job server of Beam that can be reached from this machine only, unless {@code --job-host}
 * names a host that others can reach.
 *
 * <p>Beam calls its addresses "localhost" and yet listens at all interfaces: whoever reaches them
 * may submit jobs, which may run any program. Nothing in Beam 2.70 changes that, so this class does,
 * as an agent that Java loads before it ({@code Launcher-Agent-Class} in the jar's manifest).
 */
public final class JobServer {
  private static final List<String> DRIVERS =
      List.of(
          "org.apache.beam.runners.flink.FlinkJobServerDriver",
          "org.apache.beam.runners.spark.SparkJobServerDriver");

  private static Instrumentation instrumentation;

  /** Is called by Java before {@link #main}. */
  public static void agentmain(String arguments, Instrumentation given) {
    instrumentation = given;
  }

  /** Takes the arguments of Beam's job server. */
  public static void main(String[] arguments) throws Exception {
    if (isLoopback(jobHost(arguments))) {
      new AgentBuilder.Default()
          .type(ElementMatchers.is(NettyServerBuilder.class))
          .transform(
              (builder, type, loader, module, domain) ->
                  builder.visit(
                      Advice.to(AtLoopback.class).on(ElementMatchers.named("forPort"))))
          .with(AgentBuilder.RedefinitionStrategy.RETRANSFORMATION)
          .disableClassFormatChanges()
          .installOn(instrumentation);
    }
    driver().getMethod("main", String[].class).invoke(null, (Object) arguments);
  }

  private static String jobHost(String[] arguments) {
    String host = "localhost";
    for (int n = 0; n < arguments.length; n++) {
      if (arguments[n].startsWith("--job-host=")) {
        host = arguments[n].substring("--job-host=".length());
      } else if (arguments[n].equals("--job-host") && n + 1 < arguments.length) {
        host = arguments[n + 1];
      }
    }
    return host;
  }

  private static boolean isLoopback(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException notYet) {
      return false;
    }
  }

  private static Class<?> driver() throws ClassNotFoundException {
    for (String name : DRIVERS) {
      try {
        return Class.forName(name);
      } catch (ClassNotFoundException other) {
        continue;
      }
    }
    throw new ClassNotFoundException(String.join(" or ", DRIVERS));
  }

  /** Is put into the method {@code NettyServerBuilder.forPort}. */
  static class AtLoopback {
    @Advice.OnMethodExit
    static void replace(
        @Advice.Argument(0) int port, @Advice.Return(readOnly = false) NettyServerBuilder made) {
      made =
          NettyServerBuilder.forAddress(
              new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    }
  }

  private JobServer() {}
}
