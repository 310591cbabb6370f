package anagrams;

import org.apache.beam.fn.harness.ExternalWorkerService;
import org.apache.beam.sdk.Pipeline;
import org.apache.beam.sdk.extensions.python.PythonExternalTransform;
import org.apache.beam.sdk.fn.server.GrpcFnServer;
import org.apache.beam.sdk.io.TextIO;
import org.apache.beam.sdk.options.Default;
import org.apache.beam.sdk.options.Description;
import org.apache.beam.sdk.options.PipelineOptions;
import org.apache.beam.sdk.options.PipelineOptionsFactory;
import org.apache.beam.sdk.options.PortablePipelineOptions;
import org.apache.beam.sdk.options.Validation;
import org.apache.beam.sdk.transforms.MapElements;
import org.apache.beam.sdk.values.PCollection;
import org.apache.beam.sdk.values.Row;
import org.apache.beam.sdk.values.TypeDescriptors;

/** Reads lines, has a Python transform count their anagrams, and writes the counts. */
public final class CountAnagrams {

  /** The options of this program, beside Beam's own. */
  public interface Options extends PipelineOptions {
    @Description("The files to read")
    @Validation.Required
    String getInput();

    void setInput(String pattern);

    @Description("The file to write")
    @Validation.Required
    String getOutput();

    void setOutput(String path);

    @Description("Whose words are counted, as CountAnagrams in Python takes it")
    @Default.String("gcide")
    String getDictionary();

    void setDictionary(String dictionary);

    @Description("Where the expansion service of Python listens")
    @Default.String("localhost:8097")
    String getExpansionService();

    void setExpansionService(String address);
  }

  public static void main(String[] args) throws Exception {
    Options options = PipelineOptionsFactory.fromArgs(args).withValidation().as(Options.class);
    try (GrpcFnServer<ExternalWorkerService> workers = serveWorkers(options)) {
      build(options).run().waitUntilFinish();
    }
  }

  private static Pipeline build(Options options) {
    Pipeline pipeline = Pipeline.create(options);
    pipeline
        .apply("ReadLines", TextIO.read().from(options.getInput()))
        .apply(
            "CountAnagrams",
            PythonExternalTransform.<PCollection<String>, PCollection<Row>>from(
                    "beam_pipeline.CountAnagrams", options.getExpansionService())
                .withKwarg("dictionary", options.getDictionary()))
        .apply("ToLines", MapElements.into(TypeDescriptors.strings()).via(CountAnagrams::toLine))
        .apply("WriteLines", TextIO.write().to(options.getOutput()).withoutSharding());
    return pipeline;
  }

  private static String toLine(Row count) {
    return String.join(
        ",", count.getString("word"), count.getInt64("count").toString(), count.getString("signature"));
  }

  /**
   * Serves workers in this process where {@code --defaultEnvironmentType=LOOPBACK} asks for that.
   *
   * <p>Beam itself would do so only after the pipeline is built, but a transform of another language
   * needs the address before.
   */
  private static GrpcFnServer<ExternalWorkerService> serveWorkers(Options options)
      throws Exception {
    PortablePipelineOptions portable = options.as(PortablePipelineOptions.class);
    if (!"LOOPBACK".equals(portable.getDefaultEnvironmentType())) {
      return null;
    }
    GrpcFnServer<ExternalWorkerService> server = new ExternalWorkerService(options).start();
    portable.setDefaultEnvironmentType("EXTERNAL");
    portable.setDefaultEnvironmentConfig(server.getApiServiceDescriptor().getUrl());
    return server;
  }

  private CountAnagrams() {}
}
